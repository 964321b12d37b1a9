/**
 * Bad input to `release`: each is one line that says what was expected and what
 * was found, a hint that says what to do, and an exit code. Exact transcripts.
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { generateKeyPair, publicKeyBase64, serializeSecretKey } from '@landfall/minisign';
import { expect, it } from 'vitest';
import { type BadInput, configure, encryptKey, tryBadInput } from '../harness/bad-input.ts';
import { useProject } from '../harness/project.ts';
import { writeKey } from '../harness/two-people.ts';

const GATED =
  'no index was changed: run it again when they are back, or accept fewer with --quorum N';
const SHOW_EXAMPLE = "'release init --dry-run' shows a commented example";

const PUBLIC_KEY = publicKeyBase64(generateKeyPair().publicKey);

const ROWS: BadInput[] = [
  {
    name: 'an unknown command',
    args: ['publish'],
    code: 2,
    error: "unknown command 'publish'",
    hint: "expected one of: init, keygen, build, check, ship, sign, trust, promote, withdraw, halt, resume, renew, rollout, notes, diff, status, verify; see 'release --help'",
  },
  {
    name: 'an unknown option',
    args: ['ship', '--fast'],
    code: 2,
    error: "unknown option '--fast'",
    hint: "see 'release ship --help'",
  },
  {
    name: 'too many arguments',
    args: ['ship', '1.0.0', '2.0.0'],
    code: 2,
    error: 'expected [VERSION], found 2 arguments',
    hint: "see 'release ship --help'",
  },
  {
    name: 'no configuration',
    args: ['ship'],
    prepare: (site) => rmSync(join(site.directory, 'release.config.ts')),
    code: 2,
    error: "no configuration: expected '<project>/release.config.ts', found nothing",
    hint: "run it in your project's folder, or write one with 'release init'",
  },
  {
    name: 'a configuration with a wrong type',
    args: ['ship'],
    prepare: configure((config) => Object.assign(config, { app: 7 })),
    code: 2,
    error:
      "'<project>/release.config.ts' does not fit: 'app': Invalid input: expected string, received number",
    hint: SHOW_EXAMPLE,
  },
  {
    name: 'a configuration with an unknown key',
    args: ['build'],
    prepare: configure((config) => Object.assign(config, { mirror: [] })),
    code: 2,
    error: `'<project>/release.config.ts' does not fit: Unrecognized key: "mirror"`,
    hint: SHOW_EXAMPLE,
  },
  {
    name: 'a configuration without a default export',
    args: ['status'],
    prepare: (site) => site.write('release.config.ts', 'export const app = 1;\n'),
    code: 2,
    error: "'<project>/release.config.ts': expected a default export, found none",
    hint: "write 'export default defineConfig({ … })'",
  },
  {
    name: 'a public key that is none',
    args: ['ship'],
    prepare: configure((config) => (config.keys.public = ['RWxyz'])),
    code: 2,
    error:
      "'<project>/release.config.ts' does not fit: 'keys.public.0': public key: expected canonical base64, found 5 characters that are not",
    hint: SHOW_EXAMPLE,
  },
  {
    name: 'a version that is none',
    args: ['ship', '1.0'],
    code: 2,
    error: "argument: expected a semantic version such as 1.7.41-alpha, found '1.0'",
    hint: 'three numbers, perhaps a pre-release after a dash; no build metadata (+…), it has no order',
  },
  {
    name: 'no version at all',
    args: ['ship'],
    prepare: (site) => rmSync(join(site.directory, 'package.json')),
    code: 2,
    error: 'no version given, and there is no package.json',
    hint: 'give the version: release ship 1.2.3',
  },
  {
    name: 'a version that is not newer',
    args: ['ship', '0.9.0'],
    prepare: async (site) => void (await site.release(['ship'])),
    code: 2,
    error:
      "version is not newer: expected one after 1.0.0 (channel 'stable', sequence 1), found 0.9.0",
    hint: 'raise the version in package.json, or give the new one: release ship VERSION',
  },
  {
    name: 'a time that is none',
    args: ['build'],
    options: { env: { SOURCE_DATE_EPOCH: 'soon' } },
    code: 2,
    error: "SOURCE_DATE_EPOCH: expected seconds since 1970, found 'soon'",
    hint: 'unset it, or set it to a whole number: git log -1 --format=%ct',
  },
  {
    name: 'a root document that would outlast the calendar',
    args: ['trust', 'init', '--expires', '99999999999'],
    code: 2,
    error: '--expires: expected at most 36500 days, found 99999999999',
    hint: 'for example: --expires 365',
  },
  {
    name: 'a quorum above the number of mirrors',
    args: ['ship', '--quorum', '5'],
    code: 2,
    error: '--quorum: expected at most the number of mirrors (3), found 5',
    hint: 'lower it, or add mirrors to the configuration',
  },
  ...['head.json', 'manifest.json', 'halt.json', 'manifest.json.next', 'build.json'].map(
    (channel): BadInput => ({
      name: `a channel that is called as a file of ours, ${channel}`,
      args: ['ship', '--channel', channel],
      code: 2,
      error: `--channel: expected a name that no file of a mirror has, found '${channel}'`,
      hint: 'a channel is a name such as beta',
    }),
  ),
  {
    name: 'a channel that is none',
    args: ['ship', '--channel', 'Beta!'],
    code: 2,
    error: "--channel: expected lower-case letters, digits, single dots and dashes, found 'Beta!'",
    hint: 'a channel is a name such as beta',
  },
  {
    name: 'a root document that lasts for ever',
    args: ['trust', 'init', '--root-key', PUBLIC_KEY, '--expires', '999999999'],
    code: 2,
    error: '--expires: expected at most 36500 days, found 999999999',
    hint: 'for example: --expires 365',
  },
  {
    name: 'a root document that asks for more keys than there are',
    args: ['trust', 'init', '--root-key', PUBLIC_KEY, '--root-threshold', '2'],
    code: 2,
    error: 'root document 1: root asks for 2 signatures and lists 1 keys',
    hint: "see 'release trust --help'",
  },
  {
    name: 'folders that are no mirrors',
    args: ['ship', '--quorum', '3'],
    prepare: (site) => rmSync(join(site.mirror('lima'), 'landfall-mirror.json')),
    code: 1,
    error:
      "too few mirrors: expected at least 3 of 3 that can be published to, found 2: 'lima': '<root>/mirrors/lima' is not a mirror: no 'landfall-mirror.json' in it",
    hint: `mount it if it is a stick or a share; 'mirrors init <root>/mirrors/lima' makes a new mirror; ${GATED}`,
  },
  {
    name: 'a token that is not set',
    args: ['ship'],
    prepare: configure((config) =>
      config.mirrors.push({
        type: 'gitea',
        url: 'http://127.0.0.1:9',
        repository: 'isles/archipelago',
        token: { env: 'NO_SUCH_TOKEN' },
      }),
    ),
    code: 2,
    error:
      "mirror '127.0.0.1:9': environment variable 'NO_SUCH_TOKEN': expected a token, found nothing",
    hint: 'set NO_SUCH_TOKEN to a token that may use the repository',
  },
  {
    name: 'mirrors of another app',
    args: ['ship', '1.1.0'],
    prepare: async (site) => {
      await site.release(['ship']);
      rmSync(join(site.directory, '.release'), { recursive: true });
      site.config.app = 'peninsula';
      site.writeConfig();
    },
    code: 1,
    error:
      "too few mirrors: expected at least 2 of 3 that can be published to, found 0: 'oslo': manifest is of another app: expected 'peninsula', found 'archipelago'; 'lima': manifest is of another app: expected 'peninsula', found 'archipelago'; 'kyoto': manifest is of another app: expected 'peninsula', found 'archipelago'",
    hint: `check 'app' and the mirrors in the configuration: these mirrors carry another app; ${GATED}`,
  },
  {
    name: 'mirrors signed by other keys',
    args: ['ship', '1.1.0'],
    prepare: async (site) => {
      await site.release(['ship']);
      rmSync(join(site.directory, '.release'), { recursive: true });
      const key = generateKeyPair();
      const text = await serializeSecretKey(key, { password: undefined });
      site.write('keys/release.key', text, 0o600);
      site.config.keys.public = [publicKeyBase64(key.publicKey)];
      site.writeConfig();
    },
    code: 3,
    error:
      'no mirror has a valid index, and 3 have one that is not yours: not signed by enough trusted keys: expected 1 of 1 (<key id>), found 0 (none); signature 1: by <key id>, which is none of the trusted keys',
    hint: "check 'app', 'mirrors' and 'keys.public' in the configuration; nodes would refuse this release too",
  },
  {
    name: 'nothing to verify',
    args: ['verify'],
    code: 1,
    error:
      "no mirror has a valid release: mirror 'oslo': has no 'releases/manifest.json'; mirror 'lima': has no 'releases/manifest.json'; mirror 'kyoto': has no 'releases/manifest.json'",
    hint: "ship one with 'release ship'",
  },
];

it.each(ROWS)('$name', async (row) => {
  const { found, expected } = await tryBadInput(row);
  expect(found).toEqual(expected);
});

it('with --json is one JSON value on standard output', async () => {
  const site = await useProject();
  const outcome = await site.release(['ship', '1.0', '--json']);
  expect(outcome).toMatchObject({ code: 2, stderr: '' });
  expect(JSON.parse(outcome.stdout)).toEqual({
    error: {
      code: 'VERSION_INVALID',
      message: "argument: expected a semantic version such as 1.7.41-alpha, found '1.0'",
      hint: 'three numbers, perhaps a pre-release after a dash; no build metadata (+…), it has no order',
    },
  });
});

it('never shows a secret, wherever it fails', async () => {
  const site = await useProject();
  await encryptKey(site);
  const secrets = { LANDFALL_KEY_PASSWORD: 'planted-password', GITEA_TOKEN: 'planted-token' };
  site.config.mirrors.push({
    type: 'gitea',
    url: 'http://127.0.0.1:9',
    repository: 'isles/archipelago',
    token: { env: 'GITEA_TOKEN' },
  });
  Object.assign(site.config.components[0] ?? {}, { before: [['env']] });
  site.writeConfig();
  for (const args of [['ship'], ['ship', '--debug'], ['ship', '--json'], ['build', '--debug']]) {
    const { stdout, stderr } = await site.release(args, { env: secrets });
    expect(stdout + stderr).not.toContain('planted-password');
    expect(stdout + stderr).not.toContain('planted-token');
  }
  const folder = join(site.directory, '.release');
  const grep = (what: string): string => spawnSync('grep', ['-rl', what, folder]).stdout.toString();
  expect(grep('LANDFALL_VERSION')).toContain('logs/1-web-ui.log');
  expect(grep('planted')).toBe('');
});

it('root documents that the configuration does not name are no case for another first one', async () => {
  const site = await useProject();
  await writeKey(join(site.directory, 'keys'), 'root', generateKeyPair());
  const hint = async (): Promise<string> => {
    const outcome = await site.release(['trust', 'publish']);
    expect(outcome).toMatchObject({ code: 2, stdout: '' });
    return /hint: (.*)/.exec(outcome.stderr)?.[1] ?? '';
  };
  expect(await hint()).toContain("'release trust init' makes the first");
  for (const [args, next] of [
    [['trust', 'init', '--root-key', 'keys/root.pub'], "'release trust show' tells whose"],
    [['sign', 'trust/root-1.json', '--key', 'keys/root.key'], "write keys: { root: 'trust' } in"],
  ] as const) {
    expect(await site.release([...args])).toMatchObject({ code: 0 });
    expect(await hint()).toContain(next);
  }
});
