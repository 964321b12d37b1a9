/**
 * Threads that help with hashing. They are started from their text: the single
 * executable has no files that a thread could be started from. They get nothing of
 * the environment and little memory, and end with the process at the latest.
 */
import { availableParallelism } from 'node:os';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { startAsUsual } from './frugal.ts';

/**
 * Runs `text`, which knows nothing of what is outside of itself, in a thread that has
 * `workerData`. Undefined where a thread is of no use, with one processor, or may
 * not be started.
 */
export function startThread(text: string, workerData?: unknown): Worker | undefined {
  if (availableParallelism() === 1) return undefined;
  const options: WorkerOptions = {
    eval: true,
    workerData,
    env: {},
    execArgv: [],
    trackUnmanagedFds: false,
    resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 32, stackSizeMb: 1 },
  };
  try {
    return startAsUsual(() => new Worker(text, options));
  } catch {
    return undefined;
  }
}
