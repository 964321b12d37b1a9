/**
 * Tells the process that waits for a round (`life.ts`) that the round gets on, while
 * it does what takes long and changes no file that is looked at: waits for other
 * programs, which have a bound of their own, or for the disk. Nothing is decided from it;
 * a crash leaves a time of the state folder.
 */
import { utimesSync } from 'node:fs';
import type { Paths } from './paths.ts';

/** Often enough for whoever waits, and seldom enough for a memory card. */
const EVERY_MS = 60_000;

/** What may be called as often as something was done. */
export function traceOfWork({ state }: Pick<Paths, 'state'>, everyMs = EVERY_MS): () => void {
  let left = performance.now();
  return () => {
    const now = performance.now();
    if (now - left < everyMs) return;
    left = now;
    try {
      utimesSync(state, new Date(), new Date());
    } catch {
      // The work matters more.
    }
  };
}

/** Does `work`, all of which comes to an end by itself. */
export async function whileAtWork<T>(
  paths: Pick<Paths, 'state'>,
  work: () => Promise<T>,
  everyMs = EVERY_MS,
): Promise<T> {
  const timer = setInterval(traceOfWork(paths, everyMs / 2), everyMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
