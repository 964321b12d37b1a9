/**
 * Reading manifests out of commits of the index, in the bare repository where
 * git mirrors' heads were fetched to. What is returned was verified; the
 * repository is only a cache. Changes nothing.
 */
import { execa } from 'execa';
import { childEnvironment } from '@landfall/cli';
import { ReleaseError } from './errors.ts';
import { type Expected, type SignedManifest, signatureEndings, toSigned } from './signed.ts';

/** A commit and where it is. */
interface Commit {
  readonly repository: string;
  readonly id: string;
}

/** Paths of all files that a commit holds. */
export async function filesIn(repository: string, id: string): Promise<string[]> {
  const listing = await git(repository, ['ls-tree', '-r', '-z', '--name-only', id]);
  return new TextDecoder().decode(listing).split('\0').slice(0, -1);
}

/** Commits that changed `path`, newest first, at most `limit`, beginning at `head`. */
export async function commitsOf(
  path: string,
  { repository, id: head }: Commit,
  limit: number,
): Promise<string[]> {
  // Not `log`, to which a user's configuration adds lines: about signatures, say.
  const args = ['rev-list', `--max-count=${limit}`, head, '--', path];
  const listed = new TextDecoder().decode(await git(repository, args));
  return listed.split('\n').filter((line) => line !== '');
}

/** The bytes of the file at `path` of a commit, believed by nobody yet. Throws `ReleaseError` GIT_FAILED. */
export async function blobIn({ repository, id }: Commit, path: string): Promise<Uint8Array> {
  return git(repository, ['cat-file', 'blob', `${id}:${path}`]);
}

/** The manifest at `path` of a commit that holds the files `names`. Throws what `verifyManifest` throws. */
export async function signedIn(
  commit: Commit,
  options: { path: string; names: readonly string[]; expected: Expected },
): Promise<SignedManifest> {
  const { path, names, expected } = options;
  const read = (name: string): Promise<Uint8Array> => blobIn(commit, name);
  const signatures = new Map<string, string>();
  for (const ending of signatureEndings(expected.policy)) {
    if (!names.includes(`${path}${ending}`)) continue;
    signatures.set(ending, new TextDecoder().decode(await read(`${path}${ending}`)));
  }
  return toSigned(await read(path), signatures, expected);
}

async function git(repository: string, args: readonly string[]): Promise<Uint8Array> {
  const result = await execa('git', [`--git-dir=${repository}`, ...args], {
    reject: false,
    stdin: 'ignore',
    extendEnv: false,
    env: childEnvironment(),
    encoding: 'buffer',
    // The last newline is part of what was signed.
    stripFinalNewline: false,
    timeout: 60_000,
    maxBuffer: 64 * 1024 * 1024,
  });
  if (result.exitCode === 0) return result.stdout;
  const said = new TextDecoder().decode(result.stderr).split('\n')[0];
  throw new ReleaseError(
    'GIT_FAILED',
    `git cannot read the index commit: ${said === undefined || said === '' ? 'it said nothing' : said}`,
    { hint: `remove '${repository}' and run it again: it is only a cache` },
  );
}
