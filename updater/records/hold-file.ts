/**
 * `hold.json`: a person wants nothing installed for a while. It always ends:
 * by the time the machine has run, which nobody can set, and, after a restart,
 * by the wall clock if that is later than when the hold began. A clock of 1970
 * or 2106 can shorten it across a restart, and never makes it endless. A file
 * that makes no sense holds until somebody lifts it.
 */
import { readJsonFile, removeDurably, writeFileDurably } from '@landfall/durable';
import { z } from '@landfall/manifest';
import type { Clock } from './clock.ts';
import { timeSchema } from './schemas.ts';

/** No hold is longer: nothing stays paused for months unnoticed. */
export const MAX_HOLD_MS = 14 * 86_400_000;

const holdSchema = z.lazy(() =>
  z.object({
    schema: z.literal(1),
    reason: z.string(),
    since: timeSchema,
    /** By the wall clock at `since`. */
    until: timeSchema,
    durationMs: z.number().check(z.positive(), z.maximum(MAX_HOLD_MS)),
    /** The start of the machine in which it began. */
    bootId: z.string(),
    /** What is known to have passed of it, and when that was counted. */
    counted: z.object({
      ranMs: z.number().check(z.minimum(0)),
      bootId: z.string(),
      uptimeMs: z.number(),
    }),
  }),
);

/** What `hold.json` says, whether it still holds or not. Times are ISO in UTC. */
export type Hold = z.infer<typeof holdSchema>;

/** A hold that stands; `leftMs` is by the clock that tells here. */
export type Held = { hold: Hold; leftMs: number } | { corrupt: string };

/** What `hold.json` says now: nothing, a hold that stands, or one that is over. */
export function readHold(path: string, clock: Clock): Held | { over: Hold } | undefined {
  const file = readJsonFile(path, holdSchema);
  if (file.state === 'absent') return undefined;
  if (file.state === 'corrupt') return { corrupt: file.reason };
  const leftMs = leftOf(file.value, clock);
  return leftMs > 0 ? { hold: file.value, leftMs } : { over: file.value };
}

/** The hold that stands now, if one does. */
export function readHeld(path: string, clock: Clock): Held | undefined {
  const held = readHold(path, clock);
  return held === undefined || 'over' in held ? undefined : held;
}

/** A hold that begins now and lasts `durationMs`. */
export function beginHold(reason: string, durationMs: number, clock: Clock): Hold {
  const { now, bootId, uptimeMs } = clock;
  return {
    schema: 1,
    reason,
    since: now.toISOString(),
    until: new Date(now.getTime() + durationMs).toISOString(),
    durationMs,
    bootId,
    counted: { ranMs: 0, bootId, uptimeMs },
  };
}

/** `hold` with what has passed of it counted, so that it survives the next restart. */
export function countHold(hold: Hold, clock: Clock): Hold {
  const { bootId, uptimeMs } = clock;
  return { ...hold, counted: { ranMs: ranOf(hold, clock), bootId, uptimeMs } };
}

/** Milliseconds that are left; 0 or less when it is over. */
export function leftOf(hold: Hold, clock: Clock): number {
  const byRunning = hold.durationMs - ranOf(hold, clock);
  const now = clock.now.getTime();
  const isTold = clock.bootId !== hold.bootId && now >= Date.parse(hold.since);
  return isTold ? Math.min(byRunning, Date.parse(hold.until) - now) : byRunning;
}

function ranOf({ counted }: Hold, { bootId, uptimeMs }: Clock): number {
  // In another start of the machine, all of its time so far came after what was counted.
  const since = counted.bootId === bootId ? uptimeMs - counted.uptimeMs : uptimeMs;
  return counted.ranMs + Math.max(0, since);
}

/** Writes `hold.json`. Throws `DurableError`. */
export function writeHold(path: string, hold: Hold): void {
  writeFileDurably(path, `${JSON.stringify(hold, null, 2)}\n`);
}

/** Removes `hold.json`. Throws `DurableError`. */
export function removeHold(path: string): void {
  removeDurably(path);
}
