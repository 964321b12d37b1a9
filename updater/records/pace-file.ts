/**
 * `pace.json`: how fast this node takes releases: who it is, when it first saw
 * what is on offer, and when it installed something lately. Losing it makes a
 * node wait anew, once; a corrupt one is as good as none.
 */
import { randomUUID } from 'node:crypto';
import { readJsonFile, writeFileDurably } from '@landfall/durable';
import { z } from '@landfall/manifest';
import { sha256Schema, timeSchema } from './schemas.ts';

/** The day of `max_per_day`: the last 24 hours, in milliseconds. */
export const DAY_MS = 86_400_000;

const paceSchema = z.lazy(() =>
  z.object({
    schema: z.literal(1),
    /** Tells this node from others; chosen at random. */
    node: z.string(),
    /** The release that is on offer, by its content digest. */
    seen: z.optional(z.object({ digest: sha256Schema, at: timeSchema })),
    /** When releases were switched to, those that did not stay included; of the last day. */
    installs: z.array(timeSchema),
  }),
);

/** What `pace.json` says. Times are ISO in UTC. */
export type Pace = z.infer<typeof paceSchema>;

/** Undefined: nothing is known. */
export function readPace(path: string): Pace | undefined {
  const file = readJsonFile(path, paceSchema);
  return file.state === 'ok' ? file.value : undefined;
}

/** When `digest` was first seen, given that it is there now. A time that lies ahead was a wrong clock's. */
export function seenSince(pace: Pace | undefined, digest: string, now: Date): Date {
  const at = pace?.seen?.digest === digest ? Date.parse(pace.seen.at) : now.getTime();
  return new Date(Math.min(at, now.getTime()));
}

/** Times of the installs within the last day, oldest first. What lies ahead was a wrong clock's. */
export function recentInstalls(pace: Pace | undefined, now: Date): Date[] {
  const at = now.getTime();
  return (pace?.installs ?? [])
    .map((time) => new Date(time))
    .filter((time) => time.getTime() <= at && time.getTime() > at - DAY_MS)
    .toSorted((a, b) => a.getTime() - b.getTime());
}

/** Writes `pace.json` with `change` made to it. Throws `DurableError`. */
export function changePace(path: string, change: Partial<Pace>): void {
  const before = readPace(path) ?? { schema: 1, node: randomUUID(), installs: [] };
  writeFileDurably(path, `${JSON.stringify({ ...before, ...change }, null, 2)}\n`);
}
