/**
 * `hold.lock`: whoever changes `hold.json` has it for that moment. An operator
 * holds a node also while an updater is at work, which counts the hold and lets
 * it go when it is over: neither may write from what it read before the other
 * wrote. A crash leaves what `packages/durable/lock.ts` says.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { acquireLock, DurableError } from '@landfall/durable';
import type { Paths } from '../paths.ts';

/** Whoever has it writes one small file: one that takes longer is stopped, or its disk hangs. */
const PATIENCE_MS = 10_000;
const POLL_MS = 20;

/**
 * Runs `work` with the lock, once whoever has it is done. Throws `DurableError`
 * LOCKED where that takes too long.
 */
export async function withHoldLock<T>(paths: Paths, purpose: string, work: () => T): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return underLock(paths, purpose, work);
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error;
    }
    await sleep(POLL_MS);
  }
}

/** Runs `work` with the lock; undefined when somebody else has it. */
export function tryWithHoldLock<T>(
  paths: Paths,
  purpose: string,
  work: () => T,
): { value: T } | undefined {
  try {
    return { value: underLock(paths, purpose, work) };
  } catch (error) {
    if (isBusy(error)) return undefined;
    throw error;
  }
}

function underLock<T>(paths: Paths, purpose: string, work: () => T): T {
  const lock = acquireLock(paths.holdLock, purpose);
  try {
    return work();
  } finally {
    lock.release();
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof DurableError && error.code === 'LOCKED';
}
