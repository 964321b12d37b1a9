/**
 * The state folder belongs to the updater alone: who can write there can lower
 * the floor and lift a quarantine. One that others can write to is closed
 * again, and it is said. A crash in here leaves it open until the next start.
 */
import { chmodSync, lstatSync } from 'node:fs';
import { makeDirectoryDurably } from '@landfall/durable';
import { describeSystemError, messageOf } from '@landfall/errors';
import { UpdaterError } from './errors.ts';
import type { Paths } from './paths.ts';

const MODE = 0o700;

/** Makes the folder, or closes it. Throws `UpdaterError` CONFIG when it is somebody else's. */
export function secureState({ state }: Paths, note: (line: string) => void): void {
  makeDirectoryDurably(state, MODE);
  const { mode, uid } = lstatSync(state);
  const own = process.getuid?.() ?? 0;
  if (uid !== own && uid !== 0) {
    throw new UpdaterError('CONFIG', `state '${state}' belongs to user ${uid}, expected ${own}`, {
      hint: `who owns it decides what is installed: chown ${own} ${state}, after a look at what is in there`,
    });
  }
  if ((mode & 0o022) === 0) return;
  const found = `state '${state}' could be written by others (${(mode & 0o7777).toString(8)})`;
  try {
    chmodSync(state, MODE);
    note(`${found}: closed; look at what is in there`);
  } catch (error) {
    note(`${found}: ${describeSystemError(error)?.what ?? messageOf(error)}`);
  }
}
