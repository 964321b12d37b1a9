/**
 * The one place that decides whether something is tried again. Only work that
 * is safe to repeat comes here: reads, and writes that look at what is there
 * before they do anything.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { MirrorError } from './errors.ts';

export interface RetryPolicy {
  /** How often the work is done at most; 3 unless told. */
  attempts?: number;
  /** Milliseconds before the second attempt; doubled for each further one. 500 unless told. */
  firstDelayMs?: number;
}

/** Whether the same request may well succeed a moment later. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof MirrorError)) return false;
  if (error.status !== undefined) return error.status >= 500 || error.status === 429;
  return error.code === 'UNREACHABLE' || error.code === 'TIMEOUT';
}

/**
 * Does `work` until it succeeds, fails for good, or was tried often enough;
 * then throws its last error. Waits between, longer each time and by chance,
 * so that many who were cut off do not come back at once.
 */
export async function retrying<T>(
  work: () => Promise<T>,
  policy: RetryPolicy = {},
  signal?: AbortSignal,
): Promise<T> {
  const { attempts = 3, firstDelayMs = 500 } = policy;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (attempt >= attempts || !isTransient(error)) throw error;
      const longest = firstDelayMs * 2 ** (attempt - 1);
      const delay = longest * (0.5 + Math.random() / 2);
      await sleep(delay, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted());
    }
  }
}
