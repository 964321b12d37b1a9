/** Processes by more than their number, which is used again. */
import { readFileSync, statSync } from 'node:fs';
import { systemCode } from '@landfall/errors';

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

export function isGone({ pid, start }: ProcessId): boolean {
  return identifyProcess(pid)?.start !== start;
}

/** Whether `pid` runs exactly the file at `path`, not one that stood there before. */
export function runsFile(pid: number, path: string): boolean {
  try {
    const running = statSync(`/proc/${pid}/exe`);
    const file = statSync(path);
    return running.dev === file.dev && running.ino === file.ino;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}
