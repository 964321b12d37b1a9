/** Mirrors that not everybody may read: what readers show, to whom alone, and where it never appears. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import {
  type MirrorConfig,
  type Mirror,
  openMirrors,
  openWritableMirrors,
} from '@landfall/mirrors';
import { describe, expect, it, onTestFinished } from 'vitest';
import { collect } from '../../mirrors/bounded.ts';
import { readersBranch } from '../../mirrors/git-history.ts';
import { errorOf } from '../harness/errors.ts';
import { REPOSITORY } from '../harness/gitea-scene.ts';
import { startGiteaStandIn } from '../harness/gitea-stand-in/server.ts';
import { type Answer, type FaultyServer, startFaultyServer } from '../harness/http-faults.ts';
import { prepare } from '../harness/index-scene.ts';
import { temporaryFolder } from '../harness/temporary.ts';
import { makeArtifact } from '../mirrors/conformance.ts';

const LIMITS = { maxBytes: 1_000_000, deadlineMs: 10_000 };
const INDEX = 'releases/manifest.json';
const PASSWORD = 'open sesame: ünlock';
const TOKEN = '89abcdef89abcdef89abcdef89abcdef89abcdef';

function open(config: MirrorConfig, env: NodeJS.ProcessEnv = {}): Mirror {
  const [mirror] = openMirrors([config], { env });
  if (mirror === undefined) throw new Error('no mirror was opened');
  return mirror;
}

function secretFile(text: string, mode = 0o600): string {
  const file = join(temporaryFolder(), 'secret');
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

async function faulty(handler: Parameters<typeof startFaultyServer>[0]): Promise<FaultyServer> {
  const server = await startFaultyServer(handler);
  onTestFinished(() => server.stop());
  return server;
}

/** A folder behind basic authentication. */
function guarded(): Promise<FaultyServer> {
  const wanted = `Basic ${Buffer.from(`nodes:${PASSWORD}`).toString('base64')}`;
  return faulty(async ({ headers }) =>
    headers.authorization === wanted
      ? { status: 200, headers: { 'content-type': 'application/json' }, body: '{}' }
      : { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' }, body: 'no' },
  );
}

describe('a private Gitea repository', () => {
  async function published(): Promise<{ url: string; token: string; config: MirrorConfig }> {
    const server = await startGiteaStandIn({
      repository: REPOSITORY,
      isPrivate: true,
      token: TOKEN,
    });
    onTestFinished(() => server.close());
    const config = {
      type: 'gitea' as const,
      name: 'north',
      url: server.url,
      repository: REPOSITORY,
      token: { env: 'TOKEN' },
      readToken: { env: 'TOKEN' },
    };
    const [writer] = openWritableMirrors([config], { env: { TOKEN } });
    if (writer === undefined) throw new Error('no mirror was opened');
    const artifact = makeArtifact('web-ui.tar.zst', 100_000);
    const release = { version: '1.0.0', notes: '', prerelease: false, files: [artifact] };
    await writer.ensureRelease(release, {});
    await writer.uploadArtifact('1.0.0', artifact.path, artifact);
    await writer.writeIndex(await prepare([writer], 1), {});
    expect(await writer.readIndex(INDEX, LIMITS)).toBeDefined();
    return { url: server.url, token: server.token, config };
  }

  it('is read with a token from a variable or a file, and not without', async () => {
    const { url } = await published();
    const base = { type: 'gitea', url, repository: REPOSITORY } as const;
    const file = secretFile(`${TOKEN}\n`);
    for (const config of [
      { ...base, readToken: { env: 'READ' } },
      { ...base, readToken: { file } },
      { ...base, auth: { user: 'ship', password: { file } } },
    ]) {
      const mirror = open(config, { READ: TOKEN });
      expect(await mirror.readIndex(INDEX, LIMITS)).toEqual(Buffer.from('{"sequence":1}\n'));
      const stat = await mirror.statArtifact('1.0.0', 'web-ui.tar.zst', LIMITS);
      expect(stat).toEqual({ size: 100_000 });
      const stream = await mirror.openArtifact('1.0.0', 'web-ui.tar.zst', LIMITS);
      expect(await collect(stream?.body ?? ([][Symbol.iterator]() as never))).toHaveLength(100_000);
      expect(await mirror.statArtifact('1.0.0', 'other.zst', LIMITS)).toBeUndefined();
    }
    const stranger = open(base);
    expect(await stranger.readIndex(INDEX, LIMITS)).toBeUndefined();
    expect(await stranger.statArtifact('1.0.0', 'web-ui.tar.zst', LIMITS)).toBeUndefined();
  });
});

describe('a folder behind basic authentication', () => {
  it('is read with user and password, which may hold what people type', async () => {
    const { url, requests } = await guarded();
    const auth = { user: 'nodes', password: { file: secretFile(`${PASSWORD}\n`) } };
    const mirror = open({ type: 'directory', url, auth });
    expect(await mirror.readIndex(INDEX, LIMITS)).toEqual(Buffer.from('{}'));
    expect(requests).toHaveLength(1);
  });

  it('says what is missing without it, and that it is wrong', async () => {
    const { url } = await guarded();
    const wrong = { user: 'nodes', password: { env: 'P' } };
    for (const mirror of [
      open({ type: 'directory', url }),
      open({ type: 'directory', url, auth: wrong }, { P: 'other-secret' }),
    ]) {
      const error = await errorOf(() => mirror.readIndex(INDEX, LIMITS));
      expect(error.code).toBe('UNAUTHORIZED');
      expect(error.hint).toContain("'auth'");
      expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('other-secret');
    }
  });
});

describe('a secret of a reader', () => {
  const auth = (file: string): { user: string; password: { file: string } } => ({
    user: 'nodes',
    password: { file },
  });

  it('is never sent to another origin', async () => {
    const other = await guarded();
    const { url } = await faulty(async () => ({
      status: 302,
      headers: { location: `${other.url}/x` },
      body: '',
    }));
    const mirror = open({ type: 'directory', url, auth: auth(secretFile(PASSWORD)) });
    const error = await errorOf(() => mirror.readIndex(INDEX, LIMITS));
    expect(error.code).toBe('REDIRECT_REFUSED');
    expect(other.requests).toEqual([]);
  });

  it('is in no message when the server repeats it, nor in what prints the mirror', async () => {
    const { url } = await faulty(async ({ headers }) => ({
      status: 302,
      headers: { location: `/loop/${encodeURIComponent(headers.authorization ?? '')}` },
      body: '',
    }));
    const mirror = open({ type: 'directory', url, auth: auth(secretFile(PASSWORD)) });
    const error = await errorOf(() => mirror.readIndex(INDEX, LIMITS));
    const encoded = Buffer.from(`nodes:${PASSWORD}`).toString('base64');
    const shown = [
      inspect(error, { depth: 9, showHidden: true }),
      inspect(mirror, { depth: 9, showHidden: true }),
      JSON.stringify(mirror),
      mirror.address,
    ].join('\n');
    for (const secret of [PASSWORD, encoded, encodeURIComponent(encoded)]) {
      expect(shown).not.toContain(secret);
    }
    expect(error.message).toContain("'a redirect'");
  });

  it.each<[string, (shown: string) => Answer, string]>([
    [
      'the range of a part',
      (shown) => ({ status: 206, headers: { 'content-range': shown }, body: 'x' }),
      "found 'Basic ***",
    ],
    [
      'the host it redirects to',
      () => ({ status: 302, headers: { location: `https://${TOKEN}.example.org/` }, body: '' }),
      "found 'https://***.example.org'",
    ],
    [
      'an answer to git',
      (shown) => ({ status: 403, headers: { 'content-type': 'text/plain' }, body: `${shown}\n` }),
      "(git: 'Basic ***",
    ],
  ])('is in no message when the server repeats it as %s', async (_, answer, words) => {
    const { url } = await faulty(async ({ headers }) => answer(headers.authorization ?? 'none'));
    const config = {
      type: 'gitea',
      name: 'north',
      url,
      repository: REPOSITORY,
      readToken: { file: secretFile(TOKEN) },
    } as const;
    const error = await errorOf(() =>
      words.includes('git:')
        ? readersBranch(config).fetchHead(join(temporaryFolder(), 'look.git'), {})
        : open(config).openArtifact('1.0.0', 'a.zst', { ...LIMITS, span: { start: 0, end: 9 } }),
    );
    expect(error.message).toContain(words);
    const encoded = Buffer.from(`landfall:${TOKEN}`).toString('base64');
    const shown = inspect(error, { depth: 9, showHidden: true });
    for (const secret of [TOKEN, encoded, encoded.replace(/=+$/, '')]) {
      expect(shown).not.toContain(secret);
    }
  });

  it('that others can read, or that is not there, is the trouble of that mirror alone', async () => {
    const { url, requests } = await guarded();
    for (const [file, words] of [
      [secretFile(PASSWORD, 0o640), 'can be read by others: expected mode 600, found 640'],
      ['/none/password', 'cannot be read: no such file'],
      [secretFile('two\nlines\n'), 'expected one line with a password'],
    ] as const) {
      const mirror = open({ type: 'directory', url, auth: auth(file) });
      const error = await errorOf(() => mirror.readIndex(INDEX, LIMITS));
      expect(error.code).toBe('CONFIG');
      expect(error.message).toContain(`password file '${file}'`);
      expect(error.message).toContain(words);
    }
    expect(requests).toEqual([]);
  });

  it('is read anew for each request, so that a node follows when it is replaced', async () => {
    const { url } = await guarded();
    const file = secretFile('old');
    const mirror = open({ type: 'directory', url, auth: auth(file) });
    expect((await errorOf(() => mirror.readIndex(INDEX, LIMITS))).code).toBe('UNAUTHORIZED');
    writeFileSync(file, PASSWORD);
    expect(await mirror.readIndex(INDEX, LIMITS)).toBeDefined();
  });

  it.each<[string, MirrorConfig, string]>([
    ['a folder on the disk', { type: 'directory', path: '/x', auth: auth('p') }, "'auth' needs"],
    [
      'two kinds',
      {
        type: 'gitea',
        url: 'https://a.test',
        repository: 'a/b',
        readToken: { env: 'A' },
        auth: auth('p'),
      },
      "expected 'readToken' or 'auth', found both",
    ],
    [
      'a colon in the user name',
      { type: 'directory', url: 'https://a.test', auth: { ...auth('p'), user: 'a:b' } },
      'expected a user name without a colon',
    ],
  ])('is refused in a configuration: %s', async (_, config, words) => {
    const error = await errorOf(() => openMirrors([config]));
    expect([error.code, error.exit]).toEqual(['CONFIG', 2]);
    expect(error.message).toContain(words);
  });
});
