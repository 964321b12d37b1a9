/**
 * Makes one index update for all mirrors. For those that keep their index in
 * git it is one commit object: on top of the newest head, with a fixed author,
 * the manifest's time, the same files and their head, so that every run on any
 * machine makes the same object, and every mirror can fast-forward to it.
 *
 * All of it is plumbing in a bare scratch repository; nobody's working tree is
 * touched. A crash leaves loose objects there, nothing else.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { crashPoint } from '@landfall/cli';
import { makeDirectoryDurably, renameDurably } from '@landfall/durable';
import { fileOf, isAncestor, localGit } from './git.ts';
import { hasWrongHead, headFor } from './git-head.ts';
import { HEAD_PATH } from './head.ts';
import { MirrorError } from './errors.ts';
import { fairHeads } from './index-base.ts';
import { checkIndexPath } from './layout.ts';
import type { IndexUpdate, WritableMirror, WriteIndexOptions } from './mirror.ts';

/** What the index is to hold, and for whom. The same on the same head makes the same commit. */
export interface PrepareIndexOptions {
  /** Those to write to, and any whose head may hold the commit already. */
  mirrors: readonly Pick<WritableMirror, 'indexBranch'>[];
  /** Path on the index branch → bytes, in the order in which plain files are written. */
  files: ReadonlyMap<string, Uint8Array>;
  /** The commit's message; one line or more. */
  message: string;
  /** ISO, UTC: the manifest's `published`, so that every run makes the same commit. */
  date: string;
  /** A bare scratch repository; made when it is not there. */
  repository: string;
  /** Called with what reads the commit that a fresh one is made on, before that; what it throws ends it. */
  before?: WriteIndexOptions['before'];
  signal?: AbortSignal;
}

const NO_BLOB = '0'.repeat(40);
const AUTHOR = { name: 'Landfall', email: 'landfall@localhost' };

/**
 * The update that `writeIndex` of every mirror takes. Mirrors that cannot be
 * fetched are left out, as are those without a git branch. A head that holds
 * exactly these files already is the commit, unless its `head.json` is wrong. Without any git mirror that could
 * be fetched there is no commit. It stands on no head that `fairHeads` leaves out. Throws `MirrorError` CONFIG when git itself
 * fails here.
 */
export async function prepareIndexUpdate(options: PrepareIndexOptions): Promise<IndexUpdate> {
  const { files, repository } = options;
  for (const path of files.keys()) checkIndexPath(path);
  if (options.mirrors.every((mirror) => mirror.indexBranch === undefined)) return { files };
  await openScratch(repository);
  const start = await writeStartCommit(repository);
  const fetched = await fetchHeads(options);
  if (fetched === undefined) return { files };
  // A mirror that has nothing yet takes whatever the others have.
  const begun = fetched.filter((head) => head !== start);
  const fair = new Set([start, ...(await fairHeads(repository, begun))]);
  const heads = fetched.filter((head) => fair.has(head));
  const blobs = await writeBlobs(repository, files);
  const holding: string[] = [];
  for (const head of new Set(heads)) {
    const isHeld = await holdsFiles(repository, head, blobs);
    if (isHeld && !(await hasWrongHead(repository, head))) holding.push(head);
  }
  const real = heads.filter((head) => head !== start);
  const known = await pickNewest(repository, holding, heads);
  const id =
    known ??
    (await commitOnTop((await pickNewest(repository, real, real)) ?? start, blobs, options));
  crashPoint('index-commit-made');
  return { files, commit: { repository, id } };
}

/** Makes the bare repository at `path`, if it is not there, whole or not at all. */
export async function openScratch(path: string): Promise<void> {
  if (existsSync(join(path, 'HEAD'))) return;
  makeDirectoryDurably(dirname(path));
  const fresh = mkdtempSync(`${path}.new-`);
  try {
    await localGit(fresh, ['init', '--quiet', '--bare', '--template=', fresh]);
    renameDurably(fresh, path);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

/**
 * The commit that every index branch begun by us starts with: an empty tree at
 * the beginning of time, so the same everywhere.
 */
export const START_COMMIT = 'f309822d586832b9c71590586928898598b157d7';

/** Writes `START_COMMIT` into the repository; its id. */
export async function writeStartCommit(repository: string): Promise<string> {
  const tree = await localGit(repository, ['hash-object', '-w', '-t', 'tree', '--stdin']);
  return localGit(repository, ['commit-tree', tree], {
    input: 'Start of the release index\n',
    env: identity('1970-01-01T00:00:00Z'),
  });
}

/** Whether commit `head` holds these blobs under these paths. */
export async function holdsFiles(
  repository: string,
  head: string,
  blobs: ReadonlyMap<string, string>,
): Promise<boolean> {
  const listing = await localGit(repository, [
    'ls-tree',
    '-r',
    '-z',
    '--full-tree',
    head,
    '--',
    ...blobs.keys(),
  ]);
  const found = new Set(listing.split('\0'));
  return [...blobs].every(([path, id]) => found.has(`100644 blob ${id}\t${path}`));
}

/** Stores the files as blobs; path → blob id. */
export async function writeBlobs(
  repository: string,
  files: ReadonlyMap<string, Uint8Array>,
): Promise<Map<string, string>> {
  const blobs = new Map<string, string>();
  for (const [path, input] of files) {
    const args = ['hash-object', '-w', '--stdin', '--no-filters'];
    blobs.set(path, await localGit(repository, args, { input }));
  }
  return blobs;
}

/** The heads of all git mirrors that could be fetched, undefined when none could. */
async function fetchHeads(options: PrepareIndexOptions): Promise<string[] | undefined> {
  const { mirrors, repository, signal } = options;
  const answers = await Promise.all(
    mirrors.map(async ({ indexBranch }) => {
      if (indexBranch === undefined) return undefined;
      try {
        return { head: await indexBranch.fetchHead(repository, signal ? { signal } : {}) };
      } catch (error) {
        if (error instanceof MirrorError && error.code !== 'CONFIG') return undefined;
        throw error;
      }
    }),
  );
  const reached = answers.filter((each) => each !== undefined);
  if (reached.length === 0) return undefined;
  return reached.flatMap(({ head }) => head ?? []);
}

/**
 * Of `candidates` the one that most of `heads` can fast-forward to; of several
 * the one committed last, then the one with the highest id, so that every run
 * picks the same.
 */
async function pickNewest(
  repository: string,
  candidates: readonly string[],
  heads: readonly string[],
): Promise<string | undefined> {
  const ranked: { id: string; followers: number; date: number }[] = [];
  for (const id of new Set(candidates)) {
    let followers = 0;
    for (const head of heads) if (await isAncestor(repository, head, id)) followers += 1;
    const date = Number(await localGit(repository, ['show', '-s', '--format=%ct', id]));
    ranked.push({ id, followers, date });
  }
  const [first] = ranked.toSorted(
    (a, b) => b.followers - a.followers || b.date - a.date || (a.id < b.id ? 1 : -1),
  );
  return first?.id;
}

async function commitOnTop(
  parent: string,
  blobs: ReadonlyMap<string, string>,
  { repository, message, date, before }: PrepareIndexOptions,
): Promise<string> {
  await before?.((path, maxBytes) => fileOf(repository, parent, path, maxBytes));
  const index = join(repository, `landfall-index-${randomUUID()}`);
  const env = { GIT_INDEX_FILE: index };
  try {
    await localGit(repository, ['read-tree', parent], { env });
    const files = await addToTree(repository, blobs, env);
    const head = await headFor(repository, files);
    const named = await writeBlobs(repository, new Map(head && [[HEAD_PATH, head]]));
    const blob = new Map([[HEAD_PATH, named.get(HEAD_PATH)]]);
    const tree = await addToTree(repository, blob, env);
    return await localGit(repository, ['commit-tree', tree, '-p', parent], {
      input: `${message.trimEnd()}\n`,
      env: identity(date),
    });
  } finally {
    rmSync(index, { force: true });
  }
}

/** Puts the blobs (by path; undefined: none) into the index that `env` names; the tree that it then is. */
async function addToTree(
  repository: string,
  blobs: ReadonlyMap<string, string | undefined>,
  env: Record<string, string>,
): Promise<string> {
  const lines = [...blobs].map(([path, id]) =>
    id === undefined ? `0 ${NO_BLOB}\t${path}\0` : `100644 ${id}\t${path}\0`,
  );
  const args = ['update-index', '-z', '--add', '--replace', '--index-info'];
  await localGit(repository, args, { env, input: lines.join('') });
  return localGit(repository, ['write-tree'], { env });
}

function identity(date: string): Record<string, string> {
  const seconds = Math.floor(Date.parse(date) / 1000);
  if (!Number.isSafeInteger(seconds)) {
    throw new MirrorError('CONFIG', '', `not a time: '${date}'`);
  }
  return {
    GIT_AUTHOR_NAME: AUTHOR.name,
    GIT_AUTHOR_EMAIL: AUTHOR.email,
    GIT_AUTHOR_DATE: `@${seconds} +0000`,
    GIT_COMMITTER_NAME: AUTHOR.name,
    GIT_COMMITTER_EMAIL: AUTHOR.email,
    GIT_COMMITTER_DATE: `@${seconds} +0000`,
  };
}
