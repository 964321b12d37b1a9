/**
 * Where a bench writes: an ext4 of its own in a file, made anew before every
 * run, because an old file system that has just been emptied is several times
 * slower; as root with loop devices. Elsewhere a folder, emptied before every run.
 *
 * `close` unmounts and removes all of it; so does the end of this process by a signal.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const SECTOR = 512;

export interface Disk {
  /** Empty after every `renew`. */
  readonly path: string;
  /** Whether it is a file system of its own. */
  readonly fresh: boolean;
  /** A file system without anything in it. */
  renew(): void;
  /** Syncs, and counts from here. */
  mark(): void;
  /** Bytes that reached the disk since `mark`, after a sync; NaN where nothing counts them. */
  written(): number;
  close(): void;
}

/** Makes the disk in `folder`, for `bytes` of files. `note` is told when it is none of its own. */
export function openDisk(folder: string, bytes: number, note: (line: string) => void): Disk {
  const path = join(folder, 'disk');
  const image = join(folder, 'disk.ext4');
  mkdirSync(path);
  writeFileSync(image, '');
  truncateSync(image, bytes);
  const unmount = (): void => {
    spawnSync('umount', [path], { stdio: 'ignore' });
  };
  let before = 0;
  const renew = (): void => {
    unmount();
    // Without journals and tables that the kernel fills in while something is measured.
    execFileSync('mkfs.ext4', ['-q', '-F', '-E', 'lazy_itable_init=1,nodiscard', image]);
    execFileSync('mount', ['-o', 'loop,noinit_itable', image, path]);
  };
  const mark = (): void => {
    execFileSync('sync', ['-f', path]);
    before = sectorsOf(path);
  };
  try {
    renew();
  } catch {
    rmSync(image);
    note(
      'no file system of its own (that needs root and loop devices): a folder, emptied before each run',
    );
    return plainFolder(path);
  }
  const written = (): number => {
    execFileSync('sync', ['-f', path]);
    return (sectorsOf(path) - before) * SECTOR;
  };
  return { path, fresh: true, renew, mark, written, close: unmount };
}

function plainFolder(path: string): Disk {
  const renew = (): void => {
    rmSync(path, { recursive: true, force: true });
    mkdirSync(path);
  };
  return {
    path,
    fresh: false,
    renew,
    mark: () => undefined,
    written: () => Number.NaN,
    close: () => undefined,
  };
}

/** Sectors written to the device that is mounted at `path`. */
function sectorsOf(path: string): number {
  const device = execFileSync('findmnt', ['-no', 'SOURCE', path], { encoding: 'utf8' }).trim();
  const fields = readFileSync(`/sys/block/${basename(device)}/stat`, 'utf8')
    .trim()
    .split(/\s+/);
  return Number(fields[6]);
}
