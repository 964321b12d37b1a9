/**
 * The last step of a sync: the index, to every target that serves all it
 * names. Git mirrors get one commit object, the one that others hold already
 * if there is such; a branch that diverged is reported, never forced.
 */
import { join } from 'node:path';
import { crashPoint } from '@landfall/cli';
import { OtaError } from '@landfall/errors';
import { indexPath } from '@landfall/manifest';
import { MirrorError } from '../errors.ts';
import { requireFollows, requireHaltFollows } from '../follows.ts';
import { fileOf } from '../git.ts';
import { manifestPaths } from '../git-history.ts';
import { prepareIndexUpdate } from '../index-commit.ts';
import { channelOf } from '../layout.ts';
import type { IndexUpdate, WritableMirror } from '../mirror.ts';
import {
  type Believed,
  gatherIndex,
  type ReadIndexFile,
  readSignedIndex,
} from '../signed-index.ts';
import { checkRoots, type KnownRoots, problemOfRoots } from '../served-roots.ts';
import { type Goal, nameOf } from './goal.ts';
import { type HaltGoal, readHaltsBack } from './halts.ts';
import type { Target } from './target.ts';

interface IndexOptions extends Believed {
  roots?: KnownRoots | undefined;
  halts: readonly HaltGoal[];
  branches: readonly Pick<WritableMirror, 'indexBranch'>[];
  scratch: string;
  onLine?: (line: string) => void;
  signal?: AbortSignal;
}

/** Writes and reads back. What fails is the target's problem. */
export async function writeIndexes(
  goals: readonly Goal[],
  targets: readonly Target[],
  options: IndexOptions,
): Promise<void> {
  const { signal } = options;
  const todo = targets.filter(
    ({ problem, staleIn }) => problem === undefined && staleIn.length > 0,
  );
  if (todo.length === 0) return;
  const update = await prepareUpdate(goals, targets, options).catch((error: unknown) => {
    // The sources have gone on.
    if (!(error instanceof MirrorError) || error.code !== 'SUPERSEDED') throw error;
    for (const target of todo) target.fail(error);
    return undefined;
  });
  if (update === undefined) return;
  await Promise.all(
    todo.map((target) =>
      target.attempt(async () => {
        await requireNothingElse(target, goals, update, options);
        await target.writer.writeIndex(update, {
          ...(signal === undefined ? {} : { signal }),
          before: (read) => requireFollowsAll(target.name, goals, options, read),
        });
        crashPoint('sync-index-written');
        await readBack(target, goals, options);
        target.indexed = true;
        options.onLine?.(`${target.name}: has the index of ${target.staleIn.join(', ')}`);
      }, signal),
    ),
  );
}

function prepareUpdate(
  goals: readonly Goal[],
  targets: readonly Target[],
  options: IndexOptions,
): Promise<IndexUpdate> {
  const { signal } = options;
  return prepareIndexUpdate({
    mirrors: [
      // One that is ahead of the sources is not gone on from.
      ...targets.filter(({ problem }) => problem === undefined).map(({ writer }) => writer),
      ...options.branches,
    ],
    // Who is believed comes before what they signed, and what is halted before what is offered.
    files: new Map([
      ...(options.roots?.documents ?? []).flatMap(({ files }) => [...files]),
      ...options.halts.flatMap(({ halt }) => [...halt.files]),
      ...goals.flatMap(({ index }) => [...index.files]),
    ]),
    message: `Index of ${options.app}: ${goals.map(describe).join(', ')}\n`,
    date:
      goals
        .map(({ index }) => index.verified.manifest.published)
        .toSorted()
        .at(-1) ?? '',
    repository: join(options.scratch, 'index.git'),
    before: (read) => requireFollowsAll('', goals, options, read),
    ...(signal === undefined ? {} : { signal }),
  });
}

/** Copying takes long. Throws `MirrorError` SUPERSEDED when a mirror has been given something newer meanwhile. */
async function requireFollowsAll(
  mirror: string,
  goals: readonly Goal[],
  { app, policy, halts, signal }: IndexOptions,
  read: ReadIndexFile,
): Promise<void> {
  for (const { channel, halt, rows } of halts) {
    const { verified } = halt;
    await requireHaltFollows(mirror, { app, policy, channel, halt: verified, rows, signal }, read);
  }
  for (const { channel, index, served } of goals) {
    const known = new Set([...served.values()].map(({ sha256 }) => sha256));
    const { verified } = index;
    await requireFollows(mirror, { app, policy, channel, verified, known, signal }, read);
  }
}

function describe({ channel, index }: Goal): string {
  const { version, sequence } = index.verified.manifest;
  return `${version} (${nameOf(channel)}, sequence ${sequence})`;
}

async function readBack(
  target: Target,
  goals: readonly Goal[],
  { app, policy, roots, halts, signal }: IndexOptions,
): Promise<void> {
  const given = signal === undefined ? {} : { signal };
  const lacking =
    roots && problemOfRoots(target.name, await checkRoots(target.reader, roots, given));
  if (lacking !== undefined) throw lacking;
  await readHaltsBack(target, halts, { app, policy, ...given });
  for (const { channel, index } of goals) {
    const options = signal === undefined ? {} : { signal };
    const found = await readSignedIndex(target.reader, channel, { app, policy }, options);
    if (found?.verified.sha256 === index.verified.sha256) continue;
    throw new MirrorError(
      'BAD_ANSWER',
      target.name,
      `does not serve the index of ${nameOf(channel)} that was written: expected sequence ${index.verified.manifest.sequence}, found ${found?.verified.manifest.sequence ?? 'none'}`,
      { hint: 'a cache in between may answer with an old index; run it again in a while' },
    );
  }
}

/**
 * A commit brings along every channel of the history it is made on. One that
 * no goal is about would name artifacts that nobody has sent to this mirror.
 */
async function requireNothingElse(
  target: Target,
  goals: readonly Goal[],
  { commit }: IndexUpdate,
  { app, policy, signal }: IndexOptions,
): Promise<void> {
  if (target.writer.indexBranch === undefined || commit === undefined) return;
  const ours = new Set(goals.map(({ channel }) => indexPath(channel)));
  for (const path of await manifestPaths(commit.repository, commit.id, target.name)) {
    if (ours.has(path)) continue;
    const channel = channelOf(path);
    const carried = await gatherIndex(channel, { app, policy }, (name, maxBytes) =>
      fileOf(commit.repository, commit.id, name, maxBytes),
    ).catch(unbelieved);
    if (carried === undefined) continue;
    const options = signal === undefined ? {} : { signal };
    const served = await readSignedIndex(target.reader, channel, { app, policy }, options).catch(
      unbelieved,
    );
    if (served?.verified.sha256 === carried.verified.sha256) continue;
    throw new MirrorError(
      'REJECTED',
      target.name,
      `the shared index also names ${nameOf(channel)}, which no source serves`,
      { hint: 'run it again without --from, so that every mirror may be a source' },
    );
  }
}

/** What nobody would believe harms nobody; a mirror that cannot be asked is another matter. */
function unbelieved(error: unknown): undefined {
  if (error instanceof OtaError && !(error instanceof MirrorError)) return undefined;
  throw error;
}
