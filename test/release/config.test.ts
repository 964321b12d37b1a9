import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateKeyPair, publicKeyBase64 } from '@landfall/minisign';
import { describe, expect, it } from 'vitest';
import { quorumOf, type ReleaseConfig } from '../../release/config.ts';
import { loadSettings } from '../../release/load-config.ts';
import { errorOf } from '../harness/errors.ts';
import { temporaryFolder } from '../harness/temporary.ts';

const publicKey = publicKeyBase64(generateKeyPair().publicKey);

function good(): ReleaseConfig {
  return {
    app: 'archipelago',
    keys: { secret: ['release.key'], public: [publicKey] },
    mirrors: [
      { type: 'directory', path: 'a' },
      { type: 'directory', path: 'b' },
      { type: 'directory', path: 'c' },
    ],
    components: [{ name: 'web-ui', kind: 'tree', from: 'dist' }],
  };
}

/** Writes `value` as a configuration and reads it. */
async function load(value: unknown) {
  const path = join(temporaryFolder(), 'release.config.ts');
  writeFileSync(path, `export default ${JSON.stringify(value)};\n`);
  return loadSettings(path);
}

describe('the configuration', () => {
  it('has a default for everything but app, keys, mirrors and components', async () => {
    expect(await load(good())).toMatchObject({
      channel: 'stable',
      expiresDays: 90,
      requires: {},
      keys: { threshold: 1 },
      components: [
        { platform: 'any', compression: 'zstd', before: [], extra: [], exclude: [], from: 'dist' },
      ],
    });
  });

  it('takes the majority of mirrors as quorum unless told', async () => {
    expect(quorumOf(await load(good()), undefined)).toBe(2);
    expect(quorumOf(await load({ ...good(), quorum: 1 }), undefined)).toBe(1);
    expect(quorumOf(await load({ ...good(), quorum: 1 }), 3)).toBe(3);
    const four = { ...good(), mirrors: [...good().mirrors, { type: 'directory', path: 'd' }] };
    expect(quorumOf(await load(four), undefined)).toBe(3);
  });
});

const tree = { name: 'web-ui', kind: 'tree', from: 'dist' };

/** What is wrong → what the message must say. */
const wrong: [string, Record<string, unknown>, string][] = [
  ['a missing app', { app: undefined }, "'app': Invalid input: expected string"],
  ['an app with spaces', { app: 'My App' }, "'app': expected lower-case letters"],
  ['an app that no manifest names', { app: 'my..app' }, "'app': expected lower-case letters"],
  ['an unknown key', { component: [] }, 'Unrecognized key: "component"'],
  ['no mirrors', { mirrors: [] }, "'mirrors': expected at least one mirror"],
  [
    'a mirror of an unknown type',
    { mirrors: [{ type: 'ftp' }] },
    "expected 'directory' or 'gitea'",
  ],
  ['no public key', { keys: { secret: [], public: [] } }, "'keys.public': expected at least one"],
  [
    'a broken public key',
    { keys: { secret: [], public: ['RWabc'] } },
    "'keys.public.0': public key:",
  ],
  [
    'a threshold above the keys',
    { keys: { public: [publicKey], threshold: 2 } },
    "'keys.threshold': expected at most the number of public keys (1), found 2",
  ],
  [
    'a quorum above the mirrors',
    { quorum: 4 },
    "'quorum': expected at most the number of mirrors (3), found 4",
  ],
  ['a quorum of 0', { quorum: 0 }, "'quorum':"],
  ['no components', { components: [] }, "'components': expected at least one component"],
  [
    'a kind that does not exist',
    { components: [{ name: 'x', kind: 'folder' }] },
    "'components.0.kind': expected 'tree' or 'file'",
  ],
  [
    'a tree with neither folder nor archive',
    { components: [{ name: 'x', kind: 'tree' }] },
    "'components.0.from': expected either 'from' (a folder) or 'archive'",
  ],
  [
    'a tree with both',
    { components: [{ ...tree, archive: 'x.tar.gz' }] },
    "'components.0.from': expected either",
  ],
  [
    'excludes for a finished archive',
    { components: [{ name: 'x', kind: 'tree', archive: 'x.tar.gz', exclude: ['a'] }] },
    "'components.0.exclude': expected none with 'archive'",
  ],
  [
    'one name twice',
    { components: [tree, tree] },
    "'components.1.name': expected a name of its own",
  ],
  [
    'a shell line instead of an argument list',
    { components: [{ ...tree, before: ['npm run build'] }] },
    "'components.0.before.0': Invalid input: expected array, received string",
  ],
  [
    'a file mode that does not travel',
    { components: [{ name: 'x', kind: 'file', platforms: { any: 'x' }, mode: 0o777 }] },
    "'components.0.mode': expected 0o644 or 0o755",
  ],
  [
    'a platform that is none',
    { components: [{ name: 'x', kind: 'file', platforms: { Windows: 'x' } }] },
    "'components.0.platforms.Windows'",
  ],
  [
    'a gzip level of 12',
    { components: [{ ...tree, compression: 'gzip', level: 12 }] },
    "'components.0.level': expected 1 to 9 for gzip, found 12",
  ],
  ['a requirement that is no range', { requires: { from: 'new' } }, "'requires.from'"],
];

describe('a wrong configuration', () => {
  it.each(wrong)('%s is named by its key', async (_, changes, message) => {
    const error = await errorOf(() => load({ ...good(), ...changes }));
    expect(error).toMatchObject({ exit: 2 });
    expect(error.message).toContain(message);
    expect(error.message).not.toContain('\n');
    expect(error.hint).toBeDefined();
  });

  it('that is missing says how to make one', async () => {
    const error = await errorOf(() => loadSettings(join(temporaryFolder(), 'none.ts')));
    expect(error).toMatchObject({ code: 'CONFIG_MISSING', exit: 2 });
  });

  it('that does not run says where it stops', async () => {
    const path = join(temporaryFolder(), 'release.config.ts');
    writeFileSync(path, "throw new Error('no such luck');\n");
    const error = await errorOf(() => loadSettings(path));
    expect(error).toMatchObject({ exit: 2 });
    expect(error.message).toContain('no such luck');
  });
});
