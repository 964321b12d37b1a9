/** How mirrors are configured: what is taken, what is refused, and in which words. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { type MirrorConfig, openMirrors, openWritableMirrors } from '@landfall/mirrors';
import { describe, expect, it } from 'vitest';
import { readToken } from '../../mirrors/token.ts';
import { errorOf } from '../harness/errors.ts';
import { temporaryFolder } from '../harness/temporary.ts';

const GITEA = { type: 'gitea', url: 'https://git.example.org', repository: 'ship/app' } as const;
const TOKEN = 'f00dfeedf00dfeedf00dfeedf00dfeedf00dfeed';

describe('a configuration', () => {
  it('names its mirrors after host or folder, each with a name of its own', () => {
    const mirrors = openMirrors([
      GITEA,
      { ...GITEA, repository: 'ship/other' },
      { type: 'directory', url: 'http://127.0.0.1:8080/app/' },
      { type: 'directory', path: '/srv/mirror' },
      { type: 'directory', url: 'file:///media/stick/mirror' },
      { ...GITEA, name: 'mirror-2' },
    ]);
    expect(mirrors.map(({ name }) => name)).toEqual([
      'git.example.org',
      'git.example.org-2',
      '127.0.0.1:8080',
      'mirror',
      'mirror-3',
      'mirror-2',
    ]);
  });

  it('shows addresses that people can open', () => {
    const mirrors = openMirrors(
      [
        GITEA,
        { type: 'directory', path: 'mirror' },
        { type: 'directory', path: '/x', url: 'https://m.example.org/' },
      ],
      { directory: '/srv' },
    );
    expect(mirrors.map(({ address }) => address)).toEqual([
      'https://git.example.org/ship/app',
      'file:///srv/mirror',
      'https://m.example.org/',
    ]);
  });

  it.each<[string, unknown, string]>([
    ['no type', {}, "'0.type': expected 'directory' or 'gitea'"],
    ['another type', { type: 'ftp' }, "expected 'directory' or 'gitea'"],
    ['neither path nor url', { type: 'directory' }, "'0': expected 'path', 'url' or both"],
    ['a misspelt key', { type: 'directory', pat: '/x' }, 'pat'],
    [
      'another protocol',
      { type: 'directory', url: 'ftp://x' },
      "'0.url': expected an address starting with http:// or https:// or file://",
    ],
    ...['file://media/stick', 'file:///a%2Fb', 'file:///%ff', 'file:///a%00b'].map(
      (url): [string, unknown, string] => [
        `the address ${url}`,
        { type: 'directory', url },
        "'0.url': expected a folder of this machine such as file:///media/stick",
      ],
    ),
    [
      'a password in the address',
      { ...GITEA, url: 'https://me:secret@git.example.org' },
      "credentials do not belong into an address: use 'token'",
    ],
    ['a query', { ...GITEA, url: 'https://git.example.org/?a=b' }, 'without ? and #'],
    ['no repository', { type: 'gitea', url: 'https://x' }, "'0.repository': expected 'owner/name'"],
    ['a repository that climbs', { ...GITEA, repository: '../..' }, "expected 'owner/name'"],
    [
      'a branch that is an option',
      { ...GITEA, branch: '--force' },
      'expected a branch name such as main',
    ],
    ['a branch that climbs', { ...GITEA, branch: 'a/../b' }, 'expected a branch name such as main'],
    ['a token itself', { ...GITEA, token: TOKEN }, "'0.token'"],
    ['two places of a token', { ...GITEA, token: { env: 'A', file: 'b' } }, "either 'env'"],
    ['a git address that runs a program', { ...GITEA, git: 'ext::sh -c id' }, "'0.git'"],
  ])('is refused with %s', async (_, config, words) => {
    const error = await errorOf(() => openMirrors([config as MirrorConfig]));
    expect(error.code).toBe('CONFIG');
    expect(error.exit).toBe(2);
    expect(error.message).toContain(words);
    expect(error.message).not.toContain('secret');
    expect(error.message).not.toContain(TOKEN);
  });

  it('is refused with two mirrors of one name', async () => {
    const error = await errorOf(() =>
      openMirrors([
        { ...GITEA, name: 'a' },
        { ...GITEA, name: 'a' },
      ]),
    );
    expect(error.message).toBe("two mirrors are named 'a'");
  });

  it('needs a folder to publish to a directory mirror', async () => {
    const error = await errorOf(() =>
      openWritableMirrors([{ type: 'directory', url: 'http://x' }]),
    );
    expect(error.message).toContain("'path' is missing");
    // Nobody who named it by its address has a configuration to correct.
    expect(error.hint).toContain('name that folder in place of the address');
  });
});

describe('a token', () => {
  const config = { ...GITEA, name: 'north' };

  it('is read from the environment or a file, without its line end', () => {
    const file = join(temporaryFolder(), 'token');
    writeFileSync(file, `${TOKEN}\n`, { mode: 0o600 });
    expect(readToken({ ...config, token: { file } }, {}).reveal()).toBe(TOKEN);
    const fromEnv = readToken({ ...config, token: { env: 'T' } }, { T: `${TOKEN}\n` });
    expect(fromEnv.forApi()).toBe(`token ${TOKEN}`);
  });

  it('is not shown by printing what holds it', () => {
    const token = readToken({ ...config, token: { env: 'T' } }, { T: TOKEN });
    const seen = [
      inspect(token, { showHidden: true, depth: 9 }),
      JSON.stringify(token),
      Object.values(token).join(),
    ];
    expect(seen.join()).not.toContain(TOKEN);
  });

  it.each<[string, () => MirrorConfig, string]>([
    ['none configured', () => GITEA, "'token' is missing"],
    [
      'the variable unset',
      () => ({ ...GITEA, token: { env: 'UNSET' } }),
      "environment variable 'UNSET': expected a token, found nothing",
    ],
    ['two words', () => ({ ...GITEA, token: { env: 'WORDS' } }), 'found something else'],
    [
      'no file',
      () => ({ ...GITEA, token: { file: '/none/token' } }),
      "token file '/none/token' cannot be read: no such file",
    ],
    [
      'a file for all to read',
      () => ({ ...GITEA, token: { file: tokenFile(0o644) } }),
      'expected mode 600, found 644',
    ],
    [
      'an empty file',
      () => ({ ...GITEA, token: { file: tokenFile(0o600) } }),
      'expected one line with a token',
    ],
  ])('is missing with exit code 2: %s', async (_, made, words) => {
    const error = await errorOf(() =>
      openWritableMirrors([made()], { env: { WORDS: 'two words' } }),
    );
    expect([error.code, error.exit]).toEqual(['CONFIG', 2]);
    expect(error.message).toContain(words);
    expect(error.message).not.toContain('two words');
    expect(error.hint).toBeTruthy();
  });
});

function tokenFile(mode: number): string {
  const file = join(temporaryFolder(), 'token');
  writeFileSync(file, '');
  chmodSync(file, mode);
  return file;
}
