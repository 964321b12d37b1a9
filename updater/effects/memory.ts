/**
 * How much memory a process may still take before the kernel ends one: what the
 * machine has, or less where a control group (version 2) allows less. Decides
 * only whether something is worth beginning; what is not known stands against
 * nothing. Writes nothing.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { formatBytes } from '@landfall/cli';
import { UpdaterError } from '../errors.ts';

/** More than any of these files has that is of use here. */
const MOST_BYTES = 64 * 1024;
/** Control groups, one in the other. */
const MOST_LEVELS = 32;

/** Where the kernel tells it. */
export interface KernelPaths {
  meminfo: string;
  /** The control groups of this process. */
  ownGroups: string;
  /** Where their tree is mounted. */
  groups: string;
}

const KERNEL: KernelPaths = {
  meminfo: '/proc/meminfo',
  ownGroups: '/proc/self/cgroup',
  groups: '/sys/fs/cgroup',
};

/** For the rest of this program, and for what others take meanwhile. */
const RESERVE_BYTES = 64 * 1024 * 1024;

/** Throws `UpdaterError` NO_MEMORY when it is known that `bytes` more are not to be had. */
export function requireMemory(bytes: number): void {
  const free = availableMemory();
  const expected = bytes + RESERVE_BYTES;
  if (free === undefined || free >= expected) return;
  throw new UpdaterError(
    'NO_MEMORY',
    `not enough memory to apply it: expected ${formatBytes(expected)}, found ${formatBytes(free)}`,
    { hint: "'deltas = false' in the configuration does not try" },
  );
}

/** Bytes, without what swap could add; undefined when nothing tells. */
export function availableMemory(kernel: KernelPaths = KERNEL): number | undefined {
  const machine = numberIn(readText(kernel.meminfo), /^MemAvailable:\s+(\d+) kB$/m);
  const known = [
    ...(machine === undefined ? [] : [machine * 1024]),
    ...foldersOf(kernel).flatMap(leftIn),
  ];
  return known.length === 0 ? undefined : Math.min(...known);
}

/** The folder of the group of this process, and of each that it is in. */
function foldersOf({ ownGroups, groups }: KernelPaths): string[] {
  const path = /^0::(\/.*)$/m.exec(readText(ownGroups) ?? '')?.[1] ?? '/';
  const names = path.split('/').filter((name) => name !== '');
  // Outside of what this process sees of the tree.
  if (names.includes('..')) return [groups];
  const levels = Math.min(names.length, MOST_LEVELS);
  return Array.from({ length: levels + 1 }, (_, n) => join(groups, ...names.slice(0, n)));
}

/** What a group may still take, if it has a limit. What it only keeps of files is given back first. */
function leftIn(folder: string): number[] {
  const most = numberIn(readText(join(folder, 'memory.max')), /^(\d+)$/m);
  const used = numberIn(readText(join(folder, 'memory.current')), /^(\d+)$/m);
  if (most === undefined || used === undefined) return [];
  const cached = numberIn(readText(join(folder, 'memory.stat')), /^inactive_file (\d+)$/m) ?? 0;
  return [Math.max(0, most - Math.max(0, used - cached))];
}

function numberIn(text: string | undefined, pattern: RegExp): number | undefined {
  const [, digits] = pattern.exec(text ?? '') ?? [];
  return digits === undefined ? undefined : Number(digits);
}

/** The beginning of a small file; undefined when it cannot be read. */
function readText(path: string): string | undefined {
  try {
    const fd = openSync(path, 'r');
    try {
      const bytes = Buffer.alloc(MOST_BYTES);
      return bytes.toString('utf8', 0, readSync(fd, bytes));
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined;
  }
}
