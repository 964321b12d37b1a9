/**
 * Brings one mirror's index branch to the commit of an index update. Never
 * forced unless asked: otherwise only a branch that holds nothing but our own
 * empty start commit is ever replaced. Whatever is pushed takes the place of the very head
 * that was looked at, or is refused. A push is one transaction on the server: a crash
 * leaves the old head or the new one.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ManifestError, parseHalt } from '@landfall/manifest';
import { MirrorError } from './errors.ts';
import { fileOf, isAncestor, localGit } from './git.ts';
import { type GitRemote, PushRaceError } from './git-remote.ts';
import { isCovered } from './head.ts';
import { holdsFiles, START_COMMIT, writeBlobs } from './index-commit.ts';
import type { IndexUpdate, WriteIndexOptions } from './mirror.ts';

const RACES = 3;
const RACE_DELAY_MS = 300;
/** So many commits at most are a push of little. */
const FEW_COMMITS = 20;

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
 * both heads when the branch is elsewhere, and what `options.before` throws.
 */
export async function pushIndex(
  target: IndexTarget,
  update: IndexUpdate,
  options: WriteIndexOptions,
): Promise<void> {
  if (update.commit === undefined) {
    throw new MirrorError(
      'UNREACHABLE',
      target.mirror,
      'could not be fetched from when the index was made',
      { hint: 'run the command again when the mirror is up' },
    );
  }
  const { repository, id } = update.commit;
  // What moved while it was to be replaced is for people to look at, not to be replaced as well.
  const races = options.force === true ? 1 : RACES;
  await unlessMoved(async () => {
    const step = await nextStep(target, update, { repository, id }, options);
    if (step === 'done') return;
    const { isLost = false, ...how } = step;
    await target.remote.push(repository, id, { ...options, ...how });
    if (isLost && how.over !== undefined) options.onReplaced?.(how.over);
  }, races);
}

/** Gives a branch without a commit our start commit `start` of `repository`, unless it has got one. */
export async function startBranch(
  remote: GitRemote,
  repository: string,
  start: string,
  options: { signal?: AbortSignal },
): Promise<void> {
  await unlessMoved(async () => {
    if ((await remote.head(options)) !== undefined) return;
    await remote.push(repository, start, { ...options, small: true });
  });
}

/** A push that lost a race looks again: perhaps it was a push of the same, by a run that was cut off. */
async function unlessMoved(lookAndPush: () => Promise<void>, races = RACES): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await lookAndPush();
      return;
    } catch (error) {
      const moved = error instanceof PushRaceError;
      if (!moved || attempt >= races) throw error;
      await sleep(RACE_DELAY_MS);
    }
  }
}

interface IndexStep {
  /** The head that is pushed over; undefined where there was none. */
  over?: string;
  /** Whether the branch has that head no more afterwards. */
  isLost?: boolean;
  small?: boolean;
}

/** Looks at the branch: nothing to do, or a push over what was found there. */
async function nextStep(
  target: IndexTarget,
  update: IndexUpdate,
  { repository, id }: { repository: string; id: string },
  options: WriteIndexOptions,
): Promise<'done' | IndexStep> {
  const head = await target.remote.head(options);
  if (head === id) return 'done';
  if (head === undefined) return {};
  if (head !== START_COMMIT) await target.remote.fetchHead(repository, options);
  await options.before?.((path, maxBytes) => fileOf(repository, head, path, maxBytes));
  if (await isAncestor(repository, head, id)) {
    await requireHaltsKept(target, update, { repository, id }, head);
    return { over: head, small: (await countBetween(repository, head, id)) <= FEW_COMMITS };
  }
  if (head === START_COMMIT) return { over: head };
  if (await hasGoneOn(repository, id, head, update)) return 'done';
  // What is replaced stays here: fetching the head has kept it under refs/landfall/heads.
  if (options.force === true) return { over: head, isLost: true };
  throw diverged(target, head, id);
}

/**
 * The commit was made on another mirror's head, which may have lost what is halted: only a higher
 * serial takes the place of a halt file. Nothing is believed; who lies here keeps only the liar as it is.
 */
async function requireHaltsKept(
  { mirror, branch }: IndexTarget,
  { files }: IndexUpdate,
  { repository, id }: { repository: string; id: string },
  head: string,
): Promise<void> {
  const args = ['diff-tree', '-r', '-z', '--no-renames', '--name-only', head, id, '--'];
  const halts = [':(glob)releases/halt.json', ':(glob)releases/*/halt.json'];
  const changed = await localGit(repository, [...args, ...halts]);
  for (const path of changed.split('\0').filter(isCovered)) {
    if (files.has(path)) continue;
    const [there, next] = [
      await fileOf(repository, head, path),
      await fileOf(repository, id, path),
    ];
    if (serialIn(next) >= serialIn(there)) continue;
    const found = next === undefined ? 'none' : `serial ${serialIn(next)}`;
    throw new MirrorError(
      'REJECTED',
      mirror,
      `would lose what is halted from branch '${branch}': expected serial ${serialIn(there)} or more in '${path}', found ${found} on the mirror that is ahead`,
      { hint: "'mirrors sync' brings it back to all mirrors; look at who took it away" },
    );
  }
}

/** 0 for what is no halt file. */
function serialIn(unverified: Uint8Array | undefined): number {
  try {
    return unverified === undefined ? 0 : parseHalt(unverified).serial;
  } catch (error) {
    if (error instanceof ManifestError) return 0;
    throw error;
  }
}

/** How many commits lead from `head` to `id`. */
async function countBetween(repository: string, head: string, id: string): Promise<number> {
  return Number(await localGit(repository, ['rev-list', '--count', `${head}..${id}`]));
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

function diverged({ mirror, branch }: IndexTarget, head: string, id: string): MirrorError {
  return new MirrorError(
    'DIVERGED',
    mirror,
    `branch '${branch}' has diverged: expected an ancestor of ${id}, found ${head}`,
    {
      hint: `run the command again if somebody has just pushed; else 'git log ${id}..${head}' in a clone of it shows what only this mirror has: merge that into '${branch}' of the others, or give it up with 'release ship --force-index ${mirror}', which puts theirs in its place`,
    },
  );
}
