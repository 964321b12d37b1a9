/**
 * The one place that decides what is tried again, and when. Only work that is
 * safe to repeat is handed in here: reads, and writes that look at what is
 * there before they do anything. A single request that changes something (an
 * upload, a push) is never repeated by itself.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { MirrorError } from './errors.ts';

const LONGEST_DELAY_MS = 30_000;
/** A server that asks to be left alone for longer is given up. */
const LONGEST_ASKED_MS = 2 * 60_000;
/** Statuses that may pass by themselves: too busy, too early, and a server or a gateway that failed… */
const PASSING = new Set([408, 425, 429]);
/** …but not that it cannot do such a thing, or has no room. */
const LASTING = new Set([501, 505, 507, 511]);

/** How often work is tried, and how long the waits are; see `delayAfter`. */
export interface RetryPolicy {
  /** How often the work is done at most; 3 unless told. */
  attempts?: number;
  /** Milliseconds that the first wait takes at most; doubled for each further one. 500 unless told. */
  firstDelayMs?: number;
  /** A number in [0, 1) for each wait; `Math.random` unless told. */
  random?: () => number;
}

/** Whether the same work may well succeed a moment later. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof MirrorError)) return false;
  const { code, status, retryAfterMs = 0 } = error;
  if (retryAfterMs > LONGEST_ASKED_MS) return false;
  if (status !== undefined) return PASSING.has(status) || (status >= 500 && !LASTING.has(status));
  return code === 'UNREACHABLE' || code === 'TIMEOUT';
}

/**
 * Milliseconds to wait after attempt number `attempt` (from 1): by chance
 * between 0 and a bound that doubles each time ("full jitter"), so that many
 * who were cut off together do not come back together.
 */
export function delayAfter(attempt: number, policy: RetryPolicy = {}): number {
  const { firstDelayMs = 500, random = Math.random } = policy;
  return random() * Math.min(LONGEST_DELAY_MS, firstDelayMs * 2 ** (attempt - 1));
}

/**
 * Does `work` until it succeeds, fails for good, or was tried often enough;
 * then throws its last error, or the reason of `signal`.
 */
export async function retrying<T>(
  work: () => Promise<T>,
  policy: RetryPolicy = {},
  signal?: AbortSignal,
): Promise<T> {
  const { attempts = 3 } = policy;
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      if (attempt >= attempts || !isTransient(error)) throw error;
      // Not before the server wants it, and even then not all at once.
      const asked = error instanceof MirrorError ? (error.retryAfterMs ?? 0) : 0;
      const delay = asked + delayAfter(attempt, policy);
      await sleep(delay, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted());
    }
  }
}
