/**
 * Whether the state folder is not what it was: restored from a backup, or
 * deleted. `floor.json` is held against its copy in `root`, and one that is not
 * there against the journal. Looks; changes nothing.
 *
 * A backup of everything, `root` included, takes its own proof along: then
 * only the mirrors know more, and the next check does.
 */
import type { Journal } from '@landfall/durable';
import type { Store } from './records/store.ts';

/** What was lost, in words; undefined when nothing was that was not told already. */
export function findLostFloors(store: Store, journal: Journal): string | undefined {
  const { floors, floorKeeper } = store;
  if (floorKeeper.lost !== undefined) {
    return `the state was restored from a backup, or lost: ${floorKeeper.lost}; the higher sequence holds`;
  }
  if (floors.floors.length > 0 || floors.restored !== undefined) return undefined;
  const raised = journal.read().findLast((line) => line['effect'] === 'raise-floor');
  if (raised === undefined) return undefined;
  return `'floor.json' was lost: expected sequence ${String(raised['sequence'])}, found none; the next manifest that is accepted is the floor`;
}
