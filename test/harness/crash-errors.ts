/**
 * Disks that fail: one operation of a run with an error, by strace, or all of
 * them from one operation on, by a disk that is full or read-only for good.
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { CrashWorld } from './crash-world.ts';
import type { FileOperation } from './strace-lines.ts';

export type DiskError = 'EIO' | 'ENOSPC' | 'EROFS';

/** How the whole disk fails from an operation on. */
export type LastingFault = 'full' | 'read-only';

export interface FailedOperation {
  operation: FileOperation;
  error: DiskError;
}

/** Roles of many files that are handled alike: the first, one in the middle and the last of them stand for all. */
const ALIKE = ['staging', 'removing', 'downloads', 'deployment'];
const JOURNAL_CALLS = ['openat', 'write', 'fsync'];

/**
 * Which operations fail, and how. Left out, as they are met by the same lines
 * of code: files of a tree but three of each call; two of the three calls of a
 * journal line, in turn; logs, which nothing waits for and whose names hold the
 * time; what was opened relative to a folder is matched by that folder.
 */
export function chooseErrors(operations: readonly FileOperation[]): FailedOperation[] {
  const chosen: FailedOperation[] = [];
  const groups = Map.groupBy(operations, ({ role, call }) => `${role} ${call}`);
  for (const [, group] of groups) {
    const { role, call } = group[0] as FileOperation;
    if (role === 'logs') continue;
    const errors = errorsOf(call);
    const picked = ALIKE.includes(role)
      ? [...new Set([0, group.length >> 1, group.length - 1])]
      : group.keys().filter((n) => role !== 'journal' || JOURNAL_CALLS[n % 3] === call);
    let turn = 0;
    for (const index of picked) {
      const operation = group[index] as FileOperation;
      chosen.push({ operation, error: errors[turn % errors.length] as DiskError });
      turn += 1;
    }
  }
  const order = new Map(operations.map((operation, index) => [operation, index]));
  return chosen.toSorted((a, b) => (order.get(a.operation) ?? 0) - (order.get(b.operation) ?? 0));
}

/** After which operations the whole disk fails: each after which a start finds something else. */
export function chooseMoments(operations: readonly FileOperation[]): readonly FileOperation[] {
  const moments = operations.filter(
    ({ call, role }) =>
      (call.startsWith('rename') && role !== 'last-check') ||
      (call === 'unlink' && role === 'marker') ||
      (call === 'mkdir' && role === 'deployments'),
  );
  return moments.length === 0 ? operations.slice(0, 1) : moments;
}

/** Errors that the call gives on real disks; a group takes them in turn. */
function errorsOf(call: string): readonly DiskError[] {
  if (/sync/.test(call)) return ['EIO'];
  if (/write/.test(call)) return ['EIO', 'ENOSPC'];
  return /open|mkdir|link$|linkat$|rename/.test(call) && !call.startsWith('unlink')
    ? ['ENOSPC', 'EROFS']
    : ['EROFS', 'EIO'];
}

/** Runs the story with that operation failing. Throws when it was not reached. */
export async function runWithError(
  world: CrashWorld,
  { operation, error }: FailedOperation,
): ReturnType<CrashWorld['run']> {
  const { call, match, nthOfMatch } = operation;
  const only = match === '' ? [] : ['-P', match];
  const strace = [...only, '-e', `inject=${call}:error=${error}:when=${nthOfMatch}`];
  const run = await world.run({ strace });
  if (run.injected !== 1)
    throw new Error(
      `${call} ${match} #${nthOfMatch} was reached ${run.injected} times: ${run.stderr}`,
    );
  return run;
}

/** Runs the story with the disk failing for good right after `operation`. */
export async function runWithLasting(
  world: CrashWorld,
  operation: FileOperation,
  fault: LastingFault,
): ReturnType<CrashWorld['run']> {
  const { disk } = world;
  let reached = false;
  const run = await world.run({
    onOperation: ({ call, path, nth }) => {
      if (reached || call !== operation.call || path !== operation.path) return;
      if (nth !== operation.nth) return;
      reached = true;
      if (fault === 'full') fill(disk.mount);
      else disk.abort();
    },
  });
  if (!reached) {
    const { call, path, nth } = operation;
    throw new Error(`${call} ${path} #${nth} was not reached: ${run.stderr}`);
  }
  return run;
}

/** The fault is over: there is room again, or the machine was started anew. */
export async function endLasting({ disk }: CrashWorld, fault: LastingFault): Promise<void> {
  if (fault === 'full') return rmSync(join(disk.mount, 'filler'), { force: true });
  await disk.reboot();
}

function fill(mount: string): void {
  spawnSync('dd', ['if=/dev/zero', `of=${join(mount, 'filler')}`, 'bs=4k'], { stdio: 'ignore' });
}
