/**
 * What time it is, on a machine whose clock may be wrong by decades.
 *
 * Two times cannot be too late: when this program was made, and when something
 * was signed that this node has seen and verified. A clock before them is
 * behind, and they are the better clock: what had expired by then has expired.
 * Whether anything has expired since, nobody here can tell, so the sequence
 * alone decides; the same where a clock is ahead of any time this program will
 * see. In between the clock is believed: nothing on the node could contradict it.
 */
/** This program is not older. */
const EARLIEST = '2026-01-01T00:00:00Z';
/** Nobody runs it then: real-time clocks that lost their battery say 2036, 2070, 2099, 2106. */
const LATEST = '2056-01-01T00:00:00Z';
/** Clocks of maintainers and nodes may differ by this much before it is said. */
const SLACK_MS = 3_600_000;

/** `behind`: more than an hour before a time that has passed; `ahead`: in 2056 or later. */
export type ClockState = 'plausible' | 'behind' | 'ahead';

/** What a clock says, and what is made of it. */
export interface TimeReading {
  clock: ClockState;
  /** What expiry is judged by: it is this time at least, and with a plausible clock exactly. */
  now: Date;
}

/** Reads the wall clock `now` against the newest signed time that was seen (ISO, UTC), if one was. */
export function readTime(now: Date, signed?: string): TimeReading {
  const known = Math.max(Date.parse(EARLIEST), signed === undefined ? 0 : Date.parse(signed));
  if (now.getTime() >= Date.parse(LATEST)) return { clock: 'ahead', now: new Date(known) };
  const clock = now.getTime() < known - SLACK_MS ? 'behind' : 'plausible';
  return { clock, now: new Date(Math.max(known, now.getTime())) };
}
