/** The end of a handover, see `follow.ts`: the old updater goes. */
import { lstatSync } from 'node:fs';
import { removeDurably } from '@landfall/durable';
import { timestamp, type Host } from '../host.ts';
import { isLinked } from './links.ts';

/** Lets the old one go, when this process is the new one and has done its work. */
export function confirmUpdater(host: Host): void {
  const { paths, journal } = host;
  if (lstatSync(paths.previousUpdater, { throwIfNoEntry: false }) === undefined) return;
  if (!isLinked(paths)) return;
  removeDurably(paths.previousUpdater);
  journal.append({ at: timestamp(), updater: 'confirmed' });
}
