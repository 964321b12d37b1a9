/**
 * `attempts.json`: what did not succeed for a reason that is this machine's,
 * and how long it is left alone. It lies beside the releases and is no part of
 * what identifies one: new bytes have no entry. Losing it, or finding it
 * corrupt, makes the next attempt come early, and nothing else.
 *
 * Waiting is measured by uptime, which nobody sets. After a start of the
 * machine the wall clock is asked, and not believed when it asks for more than
 * the whole wait: a clock in 1970 draws nothing out, one in 2106 cuts one wait
 * short, and no wait is over at once for want of a clock.
 */
import { readJsonFile, writeFileDurably } from '@landfall/durable';
import { z } from '@landfall/manifest';
import type { Deployment } from '../facts.ts';
import type { Clock } from './clock.ts';
import { sha256Schema, timeSchema } from './schemas.ts';

const SECOND = 1000;
/** First wait, doubled each time, and the longest. */
const WAITS = {
  /** A release is tried again. */
  install: { first: 60 * SECOND, longest: 6 * 3600 * SECOND },
  /** What does not pass is probed again: cheap, and good news is to be seen soon. */
  probe: { first: 30 * SECOND, longest: 900 * SECOND },
} as const;
const MAX_ENTRIES = 20;

const attemptSchema = z.lazy(() =>
  z.object({
    of: z.enum(['install', 'probe']),
    /** Content digest of the deployment. */
    digest: sha256Schema,
    version: z.string(),
    /** How often in a row. */
    count: z.int().check(z.minimum(1)),
    reason: z.string(),
    /** When it last failed, and when it is tried again, by the wall clock of then. */
    at: timeSchema,
    until: timeSchema,
    /** Milliseconds between the two. */
    wait: z.number().check(z.minimum(0)),
    bootId: z.string(),
    /** Uptime in milliseconds at which it is tried again, in that start of the machine. */
    due: z.number(),
  }),
);

const attemptsSchema = z.object({ schema: z.literal(1), attempts: z.array(attemptSchema) });

/** A release, by its content, that was not installed or does not pass, and how long it waits. */
export type Attempt = z.infer<typeof attemptSchema>;
type Kind = Attempt['of'];
type Release = Pick<Deployment, 'digest'>;

/** What is waited for, newest last; nothing when it is lost or corrupt. Throws `DurableError`. */
export function readAttempts(path: string): Attempt[] {
  const file = readJsonFile(path, attemptsSchema);
  return file.state === 'ok' ? file.value.attempts : [];
}

/** Writes `attempts.json`. Throws `DurableError`. */
export function writeAttempts(path: string, attempts: readonly Attempt[]): void {
  writeFileDurably(path, `${JSON.stringify({ schema: 1, attempts }, null, 2)}\n`);
}

/** What is known of this release, of one kind: it was not installed, or its probe did not pass. */
export function findAttempt(
  attempts: readonly Attempt[],
  of: Kind,
  { digest }: Release,
): Attempt | undefined {
  return attempts.find((each) => each.of === of && each.digest === digest);
}

/** `attempts` after one more failure; the newest stands last. */
export function withFailure(
  attempts: readonly Attempt[],
  of: Kind,
  { digest, version }: Deployment,
  reason: string,
  { now, uptimeMs, bootId }: Clock,
): Attempt[] {
  const count = (findAttempt(attempts, of, { digest })?.count ?? 0) + 1;
  const { first, longest } = WAITS[of];
  const wait = Math.min(longest, first * 2 ** Math.min(count - 1, 30));
  const at = now.toISOString();
  const until = new Date(now.getTime() + wait).toISOString();
  const due = uptimeMs + wait;
  const entry = { of, digest, version, count, reason, at, until, wait, bootId, due };
  return [...withoutAttempt(attempts, of, { digest }), entry].slice(-MAX_ENTRIES);
}

/** `attempts` without that of this release and kind; any other waits on. */
export function withoutAttempt(
  attempts: readonly Attempt[],
  of: Kind,
  { digest }: Release,
): Attempt[] {
  return attempts.filter((each) => each.of !== of || each.digest !== digest);
}

/** Milliseconds until it may be tried again, never more than its whole wait. */
export function waitLeft({ until, wait, bootId, due }: Attempt, clock: Clock): number {
  const bounded = (ms: number): number => Math.min(wait, Math.max(0, ms));
  if (bootId === clock.bootId) return bounded(due - clock.uptimeMs);
  const left = Date.parse(until) - clock.now.getTime();
  return left <= wait ? bounded(left) : bounded(wait - clock.uptimeMs);
}
