import { generateKeyPair, publicKeyBase64 } from '@landfall/minisign';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../updater/config.ts';
import { configText } from '../../updater/init/template.ts';
import { errorOf } from '../harness/errors.ts';

const KEY = publicKeyBase64(generateKeyPair().publicKey);
const SMALLEST = `app = "archipelago"
public_keys = ["${KEY}"]
[[mirrors]]
type = "directory"
url = "https://mirror.example.org/archipelago"
`;

describe('the configuration', () => {
  it('has a default for everything but the app, the mirrors and the public key', () => {
    expect(parseConfig(SMALLEST, 'updater.toml')).toMatchObject({
      root: '/opt/archipelago',
      state: '/var/lib/landfall',
      keep: 3,
      probation: 600_000,
      services: [],
      probe: {
        url: 'https://127.0.0.1/',
        component: 'web-ui',
        window: 90_000,
        interval: 2000,
        timeout: 5000,
        passes: 3,
        assets: 8,
        tls: 'system',
      },
      run: { interval: 3_600_000, jitter: 300_000 },
      policy: { threshold: 1 },
    });
  });

  it.each([
    'http://127.0.0.1/',
    'https://127.0.0.1:8443/',
    'http://127.8.9.10/',
    'http://[::1]/',
    'http://localhost:3000/app/',
    'http://0x7f.1/',
  ])('takes %s to probe', (url) => {
    expect(parseConfig(`${SMALLEST}[probe]\nurl = "${url}"`, 'f').probe.url).toBe(url);
  });

  it.each([
    'https://example.org/',
    'http://10.0.0.1/',
    'http://128.0.0.1/',
    'http://127.0.0.1.example.org/',
    'http://localhost.example.org/',
    'http://[::2]/',
    'http://[fe80::1]/',
    'ftp://127.0.0.1/',
    'http://user:secret@127.0.0.1/',
    'http://127.0.0.1/page',
    'http://127.0.0.1/?q',
    '127.0.0.1',
  ])('does not take %s to probe', async (url) => {
    for (const key of ['url', ...(url.endsWith('/page') ? [] : ['version_url'])]) {
      const error = await errorOf(() => parseConfig(`${SMALLEST}[probe]\n${key} = "${url}"`, 'f'));
      expect(error).toMatchObject({ code: 'CONFIG', exit: 2 });
      expect(error.message).toContain(`'probe.${key}'`);
    }
  });

  it('takes no folder for root and state at once', async () => {
    const text = `state = "/opt/archipelago/"\n${SMALLEST}`;
    const error = await errorOf(() => parseConfig(text, 'f'));
    expect(error).toMatchObject({ code: 'CONFIG', exit: 2 });
    expect(error.message).toContain("expected two folders for 'root' and 'state'");
  });

  it.each([
    ['[probe]\nwindow = "1s"\ninterval = "2s"', "'probe.window'"],
    ['[probe]\ncomponent = "web..ui"', "'probe.component'"],
    ['[probe]\npasses = 0', "'probe.passes'"],
    ['[probe]\ntls = "sha256:abc"', "'probe.tls'"],
    ['[[services]]\nname = "-x"\nmanager = "systemd"', "'services.0.name'"],
    ['[[services]]\nname = "x"\nmanager = "systemd"\nrestart = ["y"]', "'services.0.restart'"],
    ['[[services]]\nname = "x"\nmanager = "openrc"\ncomponent = "server"', "'services.0.pid_file'"],
    [
      '[[services]]\nname = "x"\nmanager = "systemd"\naction = "reload"\ncomponent = "server"',
      "'services.0.component'",
    ],
  ])('refuses %j', async (text, key) => {
    const error = await errorOf(() => parseConfig(`${SMALLEST}${text}`, 'f'));
    expect(error.message).toContain(key);
  });

  it.each([
    ['keep = \n', 'line 6, column 8: invalid value'],
    ['[heal]\nenabled = true\nenabled = false', 'line 8, column 1: trying to redefine'],
  ])('says where %j is not TOML, on one line', async (text, where) => {
    const { message } = await errorOf(() => parseConfig(`${SMALLEST}${text}`, 'f'));
    expect(message).toContain(`configuration 'f': is not TOML at ${where}`);
    expect(message).toMatch(/^[^\n]*[a-z]$/);
  });

  it('trusts keys or a root document, and never both', async () => {
    const rooted = SMALLEST.replace(/^public_keys.*$/m, 'trusted_root = "/etc/landfall/root.json"');
    const config = parseConfig(rooted, 'f');
    expect(config).toMatchObject({ trusted_root: '/etc/landfall/root.json', policy: undefined });
    const written = configText({ app: 'a', trust: { root: '/r' }, mirrors: [], services: [] });
    expect(written).toContain('trusted_root = "/r"');
    expect(written).not.toContain('public_keys');
    for (const [text, words] of [
      [`trusted_root = "/r"\n${SMALLEST}`, "found both 'trusted_root' and 'public_keys'"],
      [`threshold = 1\n${rooted}`, "found both 'trusted_root' and 'threshold'"],
      [SMALLEST.replace(/^public_keys.*$/m, ''), "'public_keys' or 'trusted_root', found neither"],
      [`threshold = 2\n${SMALLEST}`, 'at most the number of public keys (1), found 2'],
    ] as const) {
      expect((await errorOf(() => parseConfig(text, 'f'))).message).toContain(words);
    }
  });

  it('that init writes is one, whatever the answers', () => {
    const text = configText({
      app: 'archipelago',
      trust: { keys: [KEY], threshold: 1 },
      channel: 'beta',
      mirrors: [
        { type: 'directory', path: '/srv/mirror "quoted"\\' },
        { type: 'gitea', url: 'https://git.example.org', repository: 'a/b' },
      ],
      root: '/srv/app',
      state: '/srv/state',
      webUser: 'www-data',
      probeUrl: 'https://127.0.0.1/',
      tls: `sha256:${'0'.repeat(64)}`,
      services: [{ name: 'nginx', manager: 'systemd' }],
    });
    expect(parseConfig(text, 'f')).toMatchObject({
      channel: 'beta',
      root: '/srv/app',
      web_user: 'www-data',
      mirrors: [
        { type: 'directory', path: '/srv/mirror "quoted"\\' },
        { type: 'gitea', repository: 'a/b' },
      ],
      services: [{ name: 'nginx', manager: 'systemd', action: 'restart' }],
    });
  });
});
