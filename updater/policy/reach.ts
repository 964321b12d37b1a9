/**
 * Whether a hold that was written just now still reaches the updater that is at
 * work. That one looks for a hold once its first marker is written, before that
 * has its name (`effects/mark.ts`). So whoever finds neither the marker nor a
 * file that is to become it, after the hold was written, knows that nothing
 * more will be activated. Changes nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { isBeingWritten, type LockHolder, readJsonFile } from '@landfall/durable';
import { findHolder } from '../lock.ts';
import type { Paths } from '../paths.ts';
import { type Marker, markerSchema } from '../records/marker-file.ts';

/** Commands that install what mirrors offer. */
const INSTALLING = ['apply', 'once', 'run'];
/** Between a marker's bytes and its name there is one look at a file. */
const PATIENCE_MS = 5000;
const POLL_MS = 20;

/** What goes on while a hold begins. */
export interface Reach {
  atWork: LockHolder | undefined;
  /** An activation or a rollback that was begun before the hold, or left by a crash. */
  inProgress: Marker | undefined;
  /** A marker is just being written, and stays so: nobody can tell. */
  isOpen: boolean;
}

/** Looks, and waits for a marker that is just being written to have its name, or to be given up. */
export async function findReach(paths: Paths): Promise<Reach> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const atWork = findHolder(paths);
    const isOpen = atWork !== undefined && isBeingWritten(paths.marker, atWork.pid);
    // After that: a file that is not being written any more has its name by now, or never gets it.
    const file = readJsonFile(paths.marker, markerSchema);
    const inProgress = file.state === 'ok' ? file.value : undefined;
    if (inProgress !== undefined || !isOpen || performance.now() > deadline) {
      return { atWork, inProgress, isOpen };
    }
    await sleep(POLL_MS);
  }
}

/** It in words; nothing where nothing goes on. */
export function describeReach({ atWork, inProgress, isOpen }: Reach): string[] {
  if (inProgress !== undefined) return [wordsOf(inProgress, atWork)];
  if (atWork === undefined) return [];
  const { pid, purpose } = atWork;
  const who = `process ${pid} (${purpose}) is at work`;
  if (isOpen) return [`${who}, and may be about to switch: 'updater status' tells`];
  if (!INSTALLING.includes(purpose)) return [`${who}, which a hold does not stop`];
  // Its purpose does not tell how it was started.
  const but = purpose === 'apply' ? ', unless it was started with --despite-hold' : '';
  return [`${who}: it will not switch to another release${but}`];
}

function wordsOf({ to, phase }: Marker, atWork: LockHolder | undefined): string {
  const { version } = to;
  if (phase === 'rolling-back') return `${version} is being left already, which goes on`;
  if (atWork === undefined) return `${version} has no verdict yet: the next start settles it`;
  const doing = phase === 'prepared' ? 'switched to' : 'verified';
  return `${version} is being ${doing} already, and stays if it passes: 'updater rollback --reason …' leaves it`;
}
