/** What is read from a commit is what was committed, to the byte. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { fileOf } from '../../mirrors/git.ts';
import { headFor } from '../../mirrors/git-head.ts';
import { commitsOf, manifestPaths } from '../../mirrors/git-history.ts';
import { parseHead, tells } from '../../mirrors/head.ts';
import { errorOf } from '../harness/errors.ts';
import { git } from '../harness/git.ts';
import { temporaryFolder } from '../harness/temporary.ts';

it('gives the bytes of a file, whatever they are, up to a bound', async () => {
  const folder = temporaryFolder();
  const bytes = Buffer.concat([Buffer.from([0xff, 0xfe, 0x0a]), randomBytes(997)]);
  git(folder, 'init', '--quiet');
  writeFileSync(join(folder, 'file'), bytes);
  git(folder, 'add', '.');
  git(folder, 'commit', '--quiet', '-m', 'one');
  const repository = join(folder, '.git');
  expect(Buffer.from((await fileOf(repository, 'HEAD', 'file', 1000)) ?? [])).toEqual(bytes);
  expect(await fileOf(repository, 'HEAD', 'file', 999)).toBeUndefined();
  expect(await fileOf(repository, 'HEAD', 'other')).toBeUndefined();
});

it('makes a head of the bytes that are served, whatever they are', async () => {
  const folder = temporaryFolder();
  const path = 'releases/odd/manifest.json';
  const bytes = Buffer.from([0x7b, 0xff, 0xfe, 0x7d]);
  git(folder, 'init', '--quiet');
  mkdirSync(join(folder, 'releases/odd'), { recursive: true });
  writeFileSync(join(folder, path), bytes);
  git(folder, 'add', '.');
  git(folder, 'commit', '--quiet', '-m', 'one');
  const head = parseHead((await headFor(join(folder, '.git'), 'HEAD')) ?? bytes);
  expect(head && tells(head, path, bytes)).toBe(true);
});

it('tells of all channels and commits, whatever else there is, or of none', async () => {
  const folder = temporaryFolder();
  git(folder, 'init', '--quiet', '--bare');
  const blob = git(folder, 'hash-object', '-w', '-t', 'blob', '/dev/null').trim();
  const names = Array.from({ length: 30_000 }, (_, n) => `releases/docs/${'x'.repeat(40)}-${n}`);
  const commit = (paths: readonly string[]): string => {
    const lines = paths.map((path) => `M 100644 ${blob} ${path}`);
    const head = ['commit refs/heads/main', 'committer T <t@localhost> 0 +0000', 'data 0', ''];
    execFileSync('git', ['--git-dir', folder, 'fast-import', '--quiet', '--force'], {
      input: `${[...head, ...lines].join('\n')}\n`,
    });
    return git(folder, 'rev-parse', 'main').trim();
  };
  const channels = ['releases/manifest.json', 'releases/zeta/manifest.json'];
  const small = commit(channels);
  expect(await manifestPaths(folder, small, 'north')).toEqual(channels);
  expect(await commitsOf(folder, small, 'releases/manifest.json', 'north')).toEqual([small]);
  const large = commit([...channels, ...names]);
  expect(await manifestPaths(folder, large, 'north')).toEqual(channels);
  const missing = '1'.repeat(40);
  for (const work of [
    () => manifestPaths(folder, missing, 'north'),
    () => commitsOf(folder, missing, 'releases/manifest.json', 'north'),
  ]) {
    expect((await errorOf(work)).code).toBe('BAD_ANSWER');
  }
});
