/**
 * Files of the index that are no manifest (halt files, root documents), put on
 * mirrors in one update. A crash leaves mirrors that have it and others that do
 * not; the same command completes them.
 */
import { join } from 'node:path';
import { crashPoint } from '@landfall/cli';
import { prepareIndexUpdate, type ReadIndexFile } from '@landfall/mirrors';
import type { Settings } from './config.ts';
import { alive, type MirrorProgress, onEach } from './mirror-progress.ts';
import type { Show } from './show.ts';
import { Meanwhile, type RequireFollows } from './steps/meanwhile.ts';
import { otherChannels, requireOtherChannels } from './steps/other-channels.ts';
import { workspaceOf } from './workspace.ts';

/** What is written, how its commit is made, and what it may replace. `date` is ISO, UTC. */
export interface IndexFiles {
  /** By path on the index branch, in the order in which they are written. */
  files: ReadonlyMap<string, Uint8Array>;
  /** Of the commit. */
  message: string;
  /** Of the commit, as in the document. */
  date: string;
  /** The crash point that is passed after each mirror. */
  point: string;
  /** What may be replaced; whatever stands there unless told. */
  requireFollows?: RequireFollows;
}

interface Run {
  settings: Settings;
  mirrors: readonly MirrorProgress[];
  signal: AbortSignal;
}

/**
 * Writes `wanted` to the mirrors of `todo`, as one commit where they share one. What fails
 * is kept with its mirror. Throws `ReleaseError` SUPERSEDED when somebody else has
 * published meanwhile.
 */
export async function writeIndexFiles(
  run: Run,
  todo: readonly MirrorProgress[],
  wanted: IndexFiles,
  show: Show,
): Promise<void> {
  const { requireFollows = async () => undefined } = wanted;
  const meanwhile = new Meanwhile(run, requireFollows);
  try {
    await writeAll(run, todo, wanted, meanwhile, show);
  } finally {
    meanwhile.end();
  }
}

async function writeAll(
  { settings, mirrors, signal }: Run,
  todo: readonly MirrorProgress[],
  { files, message, date, point }: IndexFiles,
  meanwhile: Meanwhile,
  show: Show,
): Promise<void> {
  const prepared = await prepareIndexUpdate({
    files,
    message,
    date,
    mirrors: alive(mirrors).map(({ mirror }) => mirror),
    repository: join(workspaceOf(settings), 'index.git'),
    before: (read) => meanwhile.refuse('', read),
    signal,
  });
  const others = await otherChannels(prepared, settings, undefined);
  await meanwhile.look();
  await onEach(todo, 'write', signal, async ({ mirror }) => {
    await requireOtherChannels(mirror, others, signal);
    const before = (read: ReadIndexFile): Promise<void> => meanwhile.refuse(mirror.name, read);
    await mirror.writeIndex(prepared, { signal, before });
    crashPoint(point);
    show.live(mirror.name, 'written');
  });
  show.outcome(`to ${alive(todo).length}`);
}
