/**
 * What the index branch of a git mirror tells beyond its tip, fetched by a
 * stranger: which channels it has, and which manifests stood there before.
 * Nothing of it is believed; callers verify.
 */
import type { GiteaConfig, Named } from './config.ts';
import { MirrorError } from './errors.ts';
import { EMPTY_TREE, lastLine, runGit } from './git.ts';
import { GitRemote } from './git-remote.ts';
import { DEFAULT_BRANCH } from './gitea.ts';
import { openScratch } from './index-commit.ts';
import { isIndexPath } from './layout.ts';
import type { IndexBranch } from './mirror.ts';
import { readCredential } from './token.ts';

/** So many commits of a channel's manifest are looked at, newest first. */
const MAX_COMMITS = 100;

/** The index branch as a reader may fetch it: without the token that publishes. */
export function readersBranch(config: Named<GiteaConfig>): IndexBranch {
  const url = `${config.url.replace(/\/+$/, '')}/${config.repository}.git`;
  const branch = config.branch ?? DEFAULT_BRANCH;
  const authorization = readCredential(config, process.env);
  const remote = new GitRemote({
    mirror: config.name,
    url,
    branch,
    ca: config.ca,
    ...(authorization === undefined ? {} : { authorization }),
  });
  return {
    fetchHead: async (repository, options) => {
      await openScratch(repository);
      return remote.fetchHead(repository, options);
    },
  };
}

/** Paths of all manifests in commit `head` of `mirror`, of whatever channel. Throws `MirrorError` BAD_ANSWER when they cannot all be told. */
export async function manifestPaths(
  repository: string,
  head: string,
  mirror: string,
): Promise<string[]> {
  // Not `ls-tree`, which lists all else in the folder as well.
  const args = ['diff-tree', '-r', '-z', '--no-renames', '--name-only', EMPTY_TREE, head, '--'];
  const paths = [':(glob)releases/manifest.json', ':(glob)releases/*/manifest.json'];
  const listing = await all(mirror, repository, [...args, ...paths], 'has too many channels');
  return listing.split('\0').filter(isIndexPath);
}

/** Commits below `head` that changed the file, newest first. Throws `MirrorError` BAD_ANSWER when they cannot be told. */
export async function commitsOf(
  repository: string,
  head: string,
  path: string,
  mirror: string,
): Promise<string[]> {
  const args = ['log', `--max-count=${MAX_COMMITS}`, '--format=%H', head, '--', path];
  return (await all(mirror, repository, args, 'has too long a history'))
    .split('\n')
    .filter(Boolean);
}

/** What git prints, to its end: of half an answer nobody knows what it lacks. */
async function all(
  mirror: string,
  repository: string,
  args: readonly string[],
  cut: string,
): Promise<string> {
  const { code, stdout, stderr } = await runGit(args, { repository });
  if (code === 0) return stdout;
  const why = code === null ? cut : `cannot be read: ${lastLine(stderr)}`;
  throw new MirrorError('BAD_ANSWER', mirror, `its index branch ${why}`, {
    hint: 'look at the branch in a clone of it',
  });
}
