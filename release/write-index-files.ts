/**
 * Files of the index that are no manifest (halt files, root documents), put on
 * mirrors in one update. A crash leaves mirrors that have it and others that do
 * not; the same command completes them.
 */
import { join } from 'node:path';
import { crashPoint } from '@landfall/cli';
import { prepareIndexUpdate } from '@landfall/mirrors';
import type { Settings } from './config.ts';
import { alive, type MirrorProgress, onEach } from './mirror-progress.ts';
import type { Show } from './show.ts';
import { otherChannels, requireOtherChannels } from './steps/other-channels.ts';
import { workspaceOf } from './workspace.ts';

export interface IndexFiles {
  /** By path on the index branch, in the order in which they are written. */
  files: ReadonlyMap<string, Uint8Array>;
  /** Of the commit. */
  message: string;
  /** Of the commit, as in the document. */
  date: string;
  /** The crash point that is passed after each mirror. */
  point: string;
}

/** Writes `wanted` to the mirrors of `todo`, as one commit where they share one. What fails is kept with its mirror. */
export async function writeIndexFiles(
  run: { settings: Settings; mirrors: readonly MirrorProgress[]; signal: AbortSignal },
  todo: readonly MirrorProgress[],
  wanted: IndexFiles,
  show: Show,
): Promise<void> {
  const { settings, mirrors, signal } = run;
  const { point, ...update } = wanted;
  const prepared = await prepareIndexUpdate({
    ...update,
    mirrors: alive(mirrors).map(({ mirror }) => mirror),
    repository: join(workspaceOf(settings), 'index.git'),
    signal,
  });
  const others = await otherChannels(prepared, settings, undefined);
  await onEach(todo, 'write', signal, async ({ mirror }) => {
    await requireOtherChannels(mirror, others, signal);
    await mirror.writeIndex(prepared, { signal });
    crashPoint(point);
    show.live(mirror.name, 'written');
  });
  show.outcome(`to ${alive(todo).length}`);
}
