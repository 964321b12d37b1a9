/**
 * Brings one mirror's index branch to the commit of an index update. Never
 * forced: only a branch that holds nothing but our own empty start commit is
 * ever replaced. A push is one transaction on the server: a crash leaves the
 * old head or the new one.
 */
import { MirrorError } from './errors.ts';
import type { GitRemote } from './git-remote.ts';
import { holdsFiles, isAncestor, writeBlobs, writeStartCommit } from './index-commit.ts';
import type { IndexUpdate } from './mirror.ts';

/** What a push needs to know of its mirror. */
export interface IndexTarget {
  /** The mirror's name. */
  mirror: string;
  branch: string;
  remote: GitRemote;
}

/**
 * Makes `update.commit` the head of the branch, or finds that it is, or that
 * the branch has gone on from it without changing these files. Safe to call
 * again, also after an answer was lost. Throws `MirrorError`, DIVERGED with
 * both heads when the branch is elsewhere.
 */
export async function pushIndex(
  target: IndexTarget,
  update: IndexUpdate,
  options: { signal?: AbortSignal },
): Promise<void> {
  const { mirror, remote } = target;
  if (update.commit === undefined) {
    throw new MirrorError(
      'UNREACHABLE',
      mirror,
      'could not be fetched from when the index was made',
      {
        hint: 'run the command again when the mirror is up',
      },
    );
  }
  const { repository, id } = update.commit;
  const head = await remote.head(options);
  if (head === id) return;
  if (head !== undefined) {
    const start = await writeStartCommit(repository);
    if (head !== start) await remote.fetchHead(repository, refFor(mirror), options);
    if (!(await isAncestor(repository, head, id))) {
      if (head === start) return remote.push(repository, id, { ...options, replacing: head });
      if (await hasGoneOn(repository, id, head, update)) return;
      throw diverged(target, head, id);
    }
  }
  try {
    await remote.push(repository, id, options);
  } catch (error) {
    if (!(error instanceof MirrorError) || error.code !== 'DIVERGED') throw error;
    throw diverged(target, await remote.head(options), id);
  }
}

/** Somebody committed on top of our index and left it as it is. */
async function hasGoneOn(
  repository: string,
  id: string,
  head: string,
  update: IndexUpdate,
): Promise<boolean> {
  if (!(await isAncestor(repository, id, head))) return false;
  return holdsFiles(repository, head, await writeBlobs(repository, update.files));
}

function diverged(
  { mirror, branch }: IndexTarget,
  head: string | undefined,
  id: string,
): MirrorError {
  return new MirrorError(
    'DIVERGED',
    mirror,
    `branch '${branch}' has diverged: expected an ancestor of ${id}, found ${head ?? 'no commit'}`,
    {
      hint: `run the command again if somebody has just pushed; else look at both with git log, and bring '${branch}' of this mirror to the history of the others`,
    },
  );
}

function refFor(mirror: string): string {
  return `refs/landfall/push-${Buffer.from(mirror).toString('hex')}`;
}
