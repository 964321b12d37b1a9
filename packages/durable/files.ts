/**
 * The writing primitives. After each returns, its effect is on the disk: file
 * content through fsync of the file, names through fsync of their directory.
 * If the power goes inside one, the old file or link is there whole; a
 * leftover `.<name>.tmp-…` beside it is removed by the next write of that name,
 * or by `removeAllTemporaries`.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fsyncSync,
  futimesSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { systemCode } from '@landfall/errors';
import { writeFailed } from './errors.ts';

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;

/**
 * Writes `path` whole or not at all, with `mode` (0600 unless told) whatever
 * the umask, and the time of now unless `mtime` tells another. Throws `DurableError` WRITE_FAILED; the old file then still stands.
 *
 * `unless` is asked once all of it is written, before it gets its name: then nothing is changed, and
 * false is returned. Meanwhile `isBeingWritten` tells others.
 */
export function writeFileDurably(
  path: string,
  content: Uint8Array | string,
  options: { mode?: number; mtime?: Date; unless?: (() => boolean) | undefined } = {},
): boolean {
  const temporary = temporaryName(path);
  return attempt('write', path, () => {
    removeTemporaries(path);
    try {
      writeNew(temporary, content, options);
      if (options.unless?.() === true) {
        unlinkIfThere(temporary);
        return false;
      }
      renameSync(temporary, path);
    } catch (error) {
      unlinkIfThere(temporary);
      throw error;
    }
    fsyncPath(dirname(path), O_DIRECTORY);
    return true;
  });
}

/**
 * Creates `path` whole or not at all, with `mode` whatever the umask. False, and nothing is
 * changed, when something stands there. Throws `DurableError` WRITE_FAILED.
 */
export function createFileDurably(path: string, content: string, mode: number): boolean {
  const temporary = temporaryName(path);
  return attempt('write', path, () => {
    removeTemporaries(path);
    try {
      writeNew(temporary, content, { mode });
      if (!nameUnlessTaken(temporary, path)) return false;
    } finally {
      unlinkIfThere(temporary);
    }
    fsyncPath(dirname(path), O_DIRECTORY);
    return true;
  });
}

/** What a file system says that knows no second names, such as FAT. */
const NO_LINKS: readonly (string | undefined)[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'];

/** Gives the file a second name: unlike a rename, that never takes the place of another. */
function nameUnlessTaken(file: string, name: string): boolean {
  try {
    linkSync(file, name);
  } catch (error) {
    const code = systemCode(error);
    if (code === 'EEXIST') return false;
    if (!NO_LINKS.includes(code)) throw error;
    if (isThere(name)) return false;
    renameSync(file, name);
  }
  return true;
}

/** Whether process `pid` is writing `path`, which does not have its name yet, or died while it did. */
export function isBeingWritten(path: string, pid: number): boolean {
  return isThere(temporaryName(path, pid));
}

/**
 * The same for what may be lost: whoever reads sees the old file or the new one, but nothing is
 * waited for. After a power cut it is the old one, the new one, or one that makes no sense.
 */
export function writeFileLoosely(path: string, content: Uint8Array | string): void {
  const temporary = temporaryName(path);
  attempt('write', path, () => {
    removeTemporaries(path);
    try {
      writeNew(temporary, content, { sync: false });
      renameSync(temporary, path);
    } catch (error) {
      unlinkIfThere(temporary);
      throw error;
    }
  });
}

/** Removes a file or a link, if it is there. Throws `DurableError` WRITE_FAILED. */
export function removeDurably(path: string): void {
  attempt('remove', path, () => {
    if (unlinkIfThere(path)) fsyncPath(dirname(path), O_DIRECTORY);
  });
}

/** Renames a file or a directory that is already synced. Throws `DurableError` WRITE_FAILED. */
export function renameDurably(from: string, to: string): void {
  attempt('rename to', to, () => {
    renameSync(from, to);
    fsyncPath(dirname(to), O_DIRECTORY);
    if (dirname(from) !== dirname(to)) fsyncPath(dirname(from), O_DIRECTORY);
  });
}

/**
 * Makes `path` and what is missing above it, each with `mode` (0755 unless
 * told) whatever the umask. An existing directory keeps its mode.
 */
export function makeDirectoryDurably(path: string, mode = 0o755): void {
  attempt('make the folder', path, () => {
    const missing: string[] = [];
    let each = path;
    while (!isThere(each)) {
      missing.push(each);
      each = dirname(each);
    }
    for (const directory of missing.toReversed()) {
      makeWithMode(directory, mode);
      fsyncPath(dirname(directory), O_DIRECTORY);
    }
    if (!lstatSync(path).isDirectory()) readdirSync(path);
  });
}

/** Points the symlink `link` at `target`, in one rename. What stood there before stands until then. */
export function replaceSymlinkDurably(link: string, target: string): void {
  attempt('switch', link, () => {
    removeTemporaries(link);
    const temporary = temporaryName(link);
    symlinkSync(target, temporary);
    try {
      renameSync(temporary, link);
    } catch (error) {
      unlinkIfThere(temporary);
      throw error;
    }
    fsyncPath(dirname(link), O_DIRECTORY);
  });
}

/** Fsyncs one regular file. */
export function syncFile(path: string): void {
  attempt('sync', path, () => fsyncPath(path, 0));
}

/** Fsyncs one directory: the names in it. */
export function syncDirectory(path: string): void {
  attempt('sync', path, () => fsyncPath(path, O_DIRECTORY));
}

/**
 * Removes from `directory` what a writer that died left there. Writers exclude each other with a
 * lock, but for those of the file named `but`.
 */
export function removeAllTemporaries(directory: string, but?: string): void {
  for (const name of readdirSync(directory)) {
    if (!isTemporaryName(name) || (but !== undefined && name.startsWith(`.${but}.tmp-`))) continue;
    unlinkIfThere(join(directory, name));
  }
}

/** The mode comes with the folder: one that a crash left with another mode would keep it for good. */
function makeWithMode(directory: string, mode: number): void {
  const umask = process.umask(0);
  try {
    mkdirSync(directory, mode);
  } catch (error) {
    // Another process was at the same: what it made is as good.
    if (systemCode(error) !== 'EEXIST') throw error;
  } finally {
    process.umask(umask);
  }
}

function writeNew(
  path: string,
  content: Uint8Array | string,
  { mode = 0o600, mtime, sync = true }: { mode?: number; mtime?: Date; sync?: boolean },
): void {
  const fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    for (let written = 0; written < bytes.length;) {
      written += writeSync(fd, bytes, written, bytes.length - written);
    }
    fchmodSync(fd, mode);
    if (mtime !== undefined) futimesSync(fd, mtime, mtime);
    if (sync) fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function fsyncPath(path: string, flags: number): void {
  const fd = openSync(path, O_RDONLY | O_NOFOLLOW | flags);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Bytes of a name that leave room in the 255 of a file system for the rest of a temporary one. */
const MAX_NAME_BYTES = 255 - '.'.length - '.tmp-4194304'.length;

/** Where `path` is written before it gets its name; `isTemporaryName` knows it. */
export function temporaryName(path: string, pid = process.pid): string {
  return join(dirname(path), `${temporaryStart(path)}${pid}`);
}

/** Of a name that leaves no room its start, cut between characters, stands for it. */
function temporaryStart(path: string): string {
  const bytes = Buffer.from(basename(path)).subarray(0, MAX_NAME_BYTES);
  const start = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes, { stream: true });
  return `.${start}.tmp-`;
}

/** Whether a file of this name is what a writer of this package left when it died. */
export function isTemporaryName(name: string): boolean {
  return /^\..+\.tmp-\d+$/.test(name);
}

/** Removes temporary files of writers that died. Writers of one path exclude each other with a lock. */
export function removeTemporaries(path: string): void {
  const prefix = temporaryStart(path);
  for (const name of readdirSync(dirname(path))) {
    if (name.startsWith(prefix)) unlinkIfThere(join(dirname(path), name));
  }
}

/**
 * Removes a file or a link; false when nothing is there. Some releases of Node 24 leave a link that
 * leads nowhere when `rmSync` is told to `force`.
 */
export function unlinkIfThere(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function attempt<T>(what: string, path: string, operation: () => T): T {
  try {
    return operation();
  } catch (error) {
    throw writeFailed(what, path, error);
  }
}
