/**
 * A clean checkout of one commit, in a folder of its own: what a stranger with
 * that commit has, without anything that lies about in the maintainer's folder.
 * The repository it comes from is only read.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ReleaseError } from './errors.ts';
import { git } from './steps/source.ts';

/**
 * Checks `commit` of the repository that `from` lies in out to `target`, which
 * is made. Returns the folder in it that `from` is in the repository. Throws
 * `ReleaseError` SOURCE_MISSING when the repository has no such commit.
 */
export async function checkOut(from: string, commit: string, target: string): Promise<string> {
  const here = await git(from, [
    'rev-parse',
    '--git-path',
    'objects',
    '--show-toplevel',
    '--show-prefix',
    '--show-object-format',
  ]);
  const [objects = '', top = '', prefix = '', format = ''] = here.stdout.split('\n');
  const there = await git(from, ['cat-file', '-e', `${commit}^{commit}`]);
  if (here.exitCode !== 0 || there.exitCode !== 0) {
    throw new ReleaseError(
      'SOURCE_MISSING',
      `commit ${commit.slice(0, 12)} cannot be checked out: expected it in the repository of '${from}', found ${here.exitCode === 0 ? 'no such commit' : 'no repository'}`,
      { hint: 'run it in a clone of the source; git fetch brings commits that are new' },
    );
  }
  mkdirSync(target);
  // Objects of one format cannot be read by the other.
  await must(target, ['init', '--quiet', '--template=', `--object-format=${format}`]);
  // Objects are read where they are: also those of a shallow clone, or that no branch has any more.
  const alternates = join(target, '.git/objects/info/alternates');
  mkdirSync(join(alternates, '..'), { recursive: true });
  writeFileSync(alternates, `${resolve(from, objects)}\n`);
  // Versions are often made of tags; a shallow clone may have none, and then none are here.
  await git(target, ['fetch', '--quiet', '--no-write-fetch-head', top, '+refs/tags/*:refs/tags/*']);
  await must(target, ['checkout', '--quiet', '--detach', commit]);
  return join(target, prefix);
}

async function must(directory: string, args: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await git(directory, args);
  if (exitCode === 0) return;
  throw new ReleaseError('GIT_FAILED', `git ${args[0]} failed: ${stderr.trim().split('\n')[0]}`, {
    hint: 'look at the disk and the temporary folder, and run it again',
  });
}
