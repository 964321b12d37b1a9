/**
 * What a holder of the node's lock writes down so that pace can be judged later: that
 * a hold is over, when a release was first seen, that one is being installed, who this node is.
 * A crash in here costs a second word about a hold, or some waiting.
 */
import { crashPoint } from '@landfall/cli';
import { timestamp, type Host } from '../host.ts';
import type { Look } from '../mirrors.ts';
import type { Offer } from '../offer.ts';
import { readClock } from '../records/clock.ts';
import { countHold, readHold, removeHold, writeHold, type Held } from '../records/hold-file.ts';
import { tryWithHoldLock } from '../records/hold-lock.ts';
import { keepNodeId } from '../records/node-id-file.ts';
import { changePace, readPace, recentInstalls, seenSince } from '../records/pace-file.ts';

/**
 * Lets a hold that is over go, and says so; counts one that stands, and returns it. Where
 * a person is changing it just now, that is done the next time.
 */
export function keepHold(host: Host): Held | undefined {
  const { paths } = host;
  const held = readHold(paths.hold, readClock());
  if (held === undefined || 'corrupt' in held) return held;
  const kept = tryWithHoldLock(paths, 'count', () => countOrLetGo(host));
  if (kept !== undefined) return kept.value;
  return 'over' in held ? undefined : held;
}

function countOrLetGo(host: Host): Held | undefined {
  const { paths, journal } = host;
  const clock = readClock();
  const held = readHold(paths.hold, clock);
  if (held === undefined || 'corrupt' in held) return held;
  if ('over' in held) {
    const { reason, since, until } = held.over;
    journal.append({ at: timestamp(), hold: 'over', reason, since, until });
    crashPoint('journalled-hold-over');
    removeHold(paths.hold);
    host.note(`the hold since ${since} is over: ${reason}`);
    return undefined;
  }
  writeHold(paths.hold, countHold(held.hold, clock));
  return held;
}

/** Writes down that `offer` is there to be taken, if it was not there before. */
export function keepSight({ config, paths, journal }: Host, { deployment }: Offer): void {
  if (config.jitter === 0) return;
  const { digest, version } = deployment;
  const pace = readPace(paths.pace);
  const now = new Date();
  const at = seenSince(pace, digest, now).toISOString();
  if (pace?.seen?.digest === digest && pace.seen.at === at) return;
  changePace(paths.pace, { seen: { digest, at } });
  journal.append({ at: timestamp(), seen: version });
}

/** Gives this node a place, once there is a release that goes out in steps. */
export function keepPlace({ paths }: Host, newest: Look['newest']): void {
  if ('code' in newest || newest.manifest.rollout.steps.length === 0) return;
  keepNodeId(paths.nodeId);
}

/** Writes down that something is being installed now. */
export function keepInstall({ config, paths }: Host): void {
  if (config.max_per_day === undefined) return;
  const now = new Date();
  const installs = [...recentInstalls(readPace(paths.pace), now), now];
  changePace(paths.pace, { installs: installs.map((each) => each.toISOString()) });
}
