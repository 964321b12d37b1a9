/**
 * An append-only file of JSON lines. Each line is on the disk when `append`
 * returns, with all lines before it; one that may wait (`sync: false`) is when the
 * next one is, or after `flush`. A crash leaves at most one torn line at the end: the
 * next append closes it with a newline, and reading skips it.
 *
 * A file that has grown to `maxBytes` becomes `<path>.1`, in place of the one
 * before it, in one rename; the line goes into a new file. A crash between the
 * two leaves `<path>.1` alone, which reading knows.
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { systemCode } from '@landfall/errors';
import { DurableError, writeFailed } from './errors.ts';
import { syncDirectory, syncFile } from './files.ts';

/** How far back a read of one file goes. */
const MAX_READ_BYTES = 8 * 1024 * 1024;
/** A journal of this size is put aside, and a new one begun. */
const DEFAULT_MAX_BYTES = 8 * 1024 * 1024;
const NEWLINE = 0x0a;

/** The lines of `path` and of `<path>.1`. `maxBytes` is 8 MiB unless told. */
export class Journal {
  readonly #path: string;
  readonly #old: string;
  readonly #maxBytes: number;
  #isBehind = false;

  constructor(path: string, options: { maxBytes?: number } = {}) {
    this.#path = path;
    this.#old = `${path}.1`;
    this.#maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  }

  /** Appends `entry` as one line. Throws `DurableError` WRITE_FAILED. */
  append(entry: Readonly<Record<string, unknown>>, { sync = true } = {}): void {
    let isNew: boolean;
    try {
      const size = statSync(this.#path, { throwIfNoEntry: false })?.size;
      // The new file's name and the old one's new name reach the disk with one sync of the folder.
      isNew = size === undefined || size >= this.#maxBytes;
      if (isNew && size !== undefined) {
        this.flush();
        renameSync(this.#path, this.#old);
      }
      const { O_APPEND, O_CREAT, O_NOFOLLOW, O_RDWR } = constants;
      const fd = openSync(this.#path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, 0o600);
      try {
        const line = `${endsTorn(fd) ? '\n' : ''}${JSON.stringify(entry)}\n`;
        const bytes = Buffer.from(line);
        for (let written = 0; written < bytes.length;) {
          written += writeSync(fd, bytes, written, bytes.length - written);
        }
        this.#isBehind = !sync && !isNew;
        if (!this.#isBehind) fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      throw error instanceof DurableError ? error : writeFailed('append to', this.#path, error);
    }
    if (isNew) syncDirectory(dirname(this.#path));
  }

  /** Brings lines to the disk that were to wait. Throws `DurableError` WRITE_FAILED. */
  flush(): void {
    if (!this.#isBehind) return;
    this.#isBehind = false;
    syncFile(this.#path);
  }

  /** The newest `limit` entries (all that are within reach unless told), oldest first. Torn lines are left out. Throws `DurableError` WRITE_FAILED. */
  read(limit = Number.POSITIVE_INFINITY): Record<string, unknown>[] {
    const entries = this.#readFile(this.#path);
    if (entries.length < limit) entries.unshift(...this.#readFile(this.#old));
    return Number.isFinite(limit) ? entries.slice(-limit) : entries;
  }

  #readFile(path: string): Record<string, unknown>[] {
    const entries: Record<string, unknown>[] = [];
    for (const line of this.#tail(path).split('\n')) {
      const entry = parseLine(line);
      if (entry !== undefined) entries.push(entry);
    }
    return entries;
  }

  #tail(path: string): string {
    try {
      const fd = openSync(path, 'r');
      try {
        const { size } = fstatSync(fd);
        const length = Math.min(size, MAX_READ_BYTES);
        const bytes = Buffer.alloc(length);
        const count = readSync(fd, bytes, 0, length, size - length);
        return bytes.toString('utf8', 0, count);
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      // There is none yet; or another process put it aside just now, and what was in it is in the old one.
      if (systemCode(error) === 'ENOENT') return '';
      throw writeFailed('read', path, error);
    }
  }
}

function endsTorn(fd: number): boolean {
  const { size } = fstatSync(fd);
  if (size === 0) return false;
  const last = Buffer.alloc(1);
  readSync(fd, last, 0, 1, size - 1);
  return last[0] !== NEWLINE;
}

function parseLine(line: string): Record<string, unknown> | undefined {
  if (line === '') return undefined;
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return value as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
