/** The times a node can know: one that people set, and one that nobody can. */
import { readBootId, uptimeMs } from './boot.ts';

/** All three are of one moment, so that they can be held against each other. */
export interface Clock {
  /** The wall clock: may be wrong by decades, and be set in between. */
  now: Date;
  /** Tells one start of the machine from another. */
  bootId: string;
  /** Milliseconds since the machine started; unlike the wall clock never set. */
  uptimeMs: number;
}

/** The times now. Throws where `/proc` does not tell the start of the machine. */
export function readClock(): Clock {
  return { now: new Date(), bootId: readBootId(), uptimeMs: uptimeMs() };
}
