/** Modes and kinds of files as people read them, and those that travel. */
import type { Stats } from 'node:fs';

/** Mode of every directory in an archive and on a node. */
export const DIRECTORY_MODE = 0o755;
/** Modes a file may have: plain, or executable. */
export const FILE_MODES: readonly number[] = [0o644, 0o755];

/** `drwxr-xr-x`, as `ls -l` shows it, special bits included. */
export function modeString(type: 'directory' | 'file', mode: number): string {
  return [
    type === 'directory' ? 'd' : '-',
    triple((mode >> 6) & 7, (mode & 0o4000) !== 0, 's'),
    triple((mode >> 3) & 7, (mode & 0o2000) !== 0, 's'),
    triple(mode & 7, (mode & 0o1000) !== 0, 't'),
  ].join('');
}

/** `drwx------ (0700)`. */
export function describeMode(type: 'directory' | 'file', mode: number): string {
  return `${modeString(type, mode)} (${mode.toString(8).padStart(4, '0')})`;
}

function triple(bits: number, special: boolean, mark: string): string {
  const run = (bits & 1) === 0 ? '-' : 'x';
  const marked = (bits & 1) === 0 ? mark.toUpperCase() : mark;
  return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${special ? marked : run}`;
}

/** `a symbolic link`, `a fifo`, …: what `stats` of an entry are of. */
export function kindOf(stats: Stats): string {
  if (stats.isFile()) return 'a file';
  if (stats.isDirectory()) return 'a directory';
  if (stats.isSymbolicLink()) return 'a symbolic link';
  if (stats.isFIFO()) return 'a fifo';
  if (stats.isSocket()) return 'a socket';
  return stats.isBlockDevice() ? 'a block device' : 'a character device';
}
