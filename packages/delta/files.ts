/** Files of a tree that is on the disk, read and held to their listing. */
import { createHash, hash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { ListingEntry } from '@landfall/archive';
import { DeltaError, toDeltaError } from './errors.ts';

/** A tree, or a single file with the one entry `.`. */
export interface Tree {
  /** The folder, or the file. */
  root: string;
  listing: readonly ListingEntry[];
}

const READ_BYTES = 1024 * 1024;

/** Opens a file of `tree` to read, following no link in its place; the caller closes it. Throws system errors. */
export function openEntry(tree: Tree, path: string): number {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  return openSync(join(tree.root, path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
}

/** Fills `target` from `offset` of `fd`; false when the file ends before. Throws system errors. */
export function fill(fd: number, target: Buffer, offset: number): boolean {
  for (let at = 0; at < target.length;) {
    const read = readSync(fd, target, at, target.length - at, offset + at);
    if (read === 0) return false;
    at += read;
  }
  return true;
}

/** Whether the file behind `fd` has the size and the SHA-256 of `entry`. `buffer`: to read into. Throws system errors. */
export function isEntry(fd: number, entry: ListingEntry, buffer: Buffer): boolean {
  const stats = fstatSync(fd);
  if (!stats.isFile() || stats.size !== entry.size) return false;
  if (entry.size <= buffer.length) {
    const bytes = buffer.subarray(0, entry.size);
    return fill(fd, bytes, 0) && hash('sha256', bytes, 'hex') === entry.sha256;
  }
  const digest = createHash('sha256');
  for (let at = 0; at < entry.size;) {
    const piece = buffer.subarray(0, Math.min(buffer.length, entry.size - at));
    if (!fill(fd, piece, at)) return false;
    digest.update(piece);
    at += piece.length;
  }
  return digest.digest('hex') === entry.sha256;
}

/** 1 MiB to read files through, with whatever is in it; one serves many files. */
export function readBuffer(): Buffer {
  return Buffer.allocUnsafeSlow(READ_BYTES);
}

/** Reads parts of the files of one tree. The first part of a file that is asked for holds all of it to its listing. */
export class TreeFiles {
  readonly #tree: Tree;
  readonly #checked = new Set<string>();
  readonly #buffer = readBuffer();

  constructor(tree: Tree) {
    this.#tree = tree;
  }

  /** Reads into all of `target`. Throws `DeltaError` DELTA_IO when the file is not what the listing says. */
  read(entry: ListingEntry, offset: number, target: Buffer): void {
    const subject = `'${entry.path}' in '${this.#tree.root}'`;
    let fd: number | undefined;
    try {
      fd = openEntry(this.#tree, entry.path);
      const isGood = this.#checked.has(entry.path) || isEntry(fd, entry, this.#buffer);
      if (!isGood || !fill(fd, target, offset)) {
        throw new DeltaError('DELTA_IO', `${subject} is not what its listing says`, {
          hint: 'make the listing again, or unpack the release again',
        });
      }
      this.#checked.add(entry.path);
    } catch (error) {
      throw toDeltaError(subject, error);
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }
}
