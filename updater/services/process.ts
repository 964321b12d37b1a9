/** Processes by more than their number, which is used again. */
import { readFileSync, readlinkSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { systemCode } from '@landfall/errors';

/** One process: no later one has both (proc(5), fields 1 and 22 of `stat`). */
export interface ProcessId {
  pid: number;
  /** Start time in clock ticks since boot: tells it from a later one with its pid. */
  start: string;
}

/** Who `pid` is now; undefined when it is gone, or only waits to be reaped. */
export function identifyProcess(pid: number): ProcessId | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
  // The name may hold spaces and parentheses; what follows the last one is regular.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const state = fields[0] ?? 'X';
  return state === 'Z' || state === 'X' ? undefined : { pid, start: fields[19] ?? '' };
}

/** Whether it has ended, also where another one has its pid, or it only waits to be reaped. */
export function isGone({ pid, start }: ProcessId): boolean {
  return identifyProcess(pid)?.start !== start;
}

/**
 * Whether `pid` runs exactly the file at `path`, not one that stood there before.
 * Releases may share one file: then it is the one it was started from, by the names
 * of the file and its folder (what is above them may look different to a service).
 */
export function runsFile(pid: number, path: string): boolean {
  const program = `/proc/${pid}/exe`;
  try {
    const running = statSync(program);
    const file = statSync(path);
    if (running.dev !== file.dev || running.ino !== file.ino) return false;
    return file.nlink === 1 || lastNames(readlinkSync(program)) === lastNames(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}

function lastNames(path: string): string {
  return join(basename(dirname(path)), basename(path));
}
