/**
 * The folder in which the new tree comes to be, beside the old one. Both are
 * held open and entered by descriptor (packages/archive, staging-folder.ts); a
 * single file is seen as the one file of the folder that holds it.
 *
 * Old files are read and get second names, and are never written. Nothing is
 * synced; after an error or a crash the caller removes what is here.
 */
import { closeSync, type Stats } from 'node:fs';
import { basename, dirname } from 'node:path';
import { type ListingEntry, Sharer, StagingFolder } from '@landfall/archive';
import { DeltaError, toDeltaError } from './errors.ts';
import type { BaseChecks } from './base-checks.ts';
import { fill, isEntry, readBuffer, type Tree } from './files.ts';
import { NewFile } from './new-file.ts';

/** The old and the new tree, both open until `close`. */
export class Staging {
  readonly #base: StagingFolder;
  readonly #folder: StagingFolder;
  readonly #sharer: Sharer;
  readonly #buffer = readBuffer();
  /** What entry `.` is called in each, for a single file. */
  readonly #names: { base: string; folder: string } | undefined;

  /** `into`: an empty folder, or for a single file a name that is free. Throws `DeltaError` DELTA_IO. */
  constructor(base: Tree, into: string, kind: 'tree' | 'file') {
    const isFile = kind === 'file';
    this.#names = isFile ? { base: basename(base.root), folder: basename(into) } : undefined;
    this.#base = attempt(base.root, () => openFolder(base.root, isFile));
    try {
      this.#folder = attempt(into, () => openFolder(into, isFile));
    } catch (error) {
      this.#base.close();
      throw error;
    }
    this.#sharer = new Sharer(this.#base, this.#folder);
    if (isFile || this.#folder.isEmpty()) return;
    this.close();
    throw new DeltaError('DELTA_IO', `'${into}' is not empty: expected an empty directory`);
  }

  makeDirectory({ path, mode }: ListingEntry): void {
    attempt(path, () => this.#folder.makeDirectory(path, mode));
  }

  /** Throws `DeltaError` DELTA_IO. */
  createFile(entry: ListingEntry): NewFile {
    const path = this.#names?.folder ?? entry.path;
    return new NewFile(
      attempt(entry.path, () => this.#folder.createFile(path)),
      entry,
    );
  }

  /**
   * Makes `entry` from the old file `from`: as a second name or a clone of it
   * where `share` says so and it can be, else as a copy. What is shared is held to
   * its digest by `checks`, what is copied on its way. True when it was shared.
   * Throws `DeltaError` DELTA_BASE, DELTA_IO.
   */
  keep(entry: ListingEntry, from: ListingEntry, share: boolean, checks: BaseChecks): boolean {
    const stats = this.#statOld(from);
    return attempt(from.path, () => {
      if (share && this.#sharer.fits(stats, entry) && this.#share(stats, entry, from, checks)) {
        return true;
      }
      this.#withOld(from, (fd) => this.#copy(fd, entry, from));
      return false;
    });
  }

  /** Fills `target` from the old file. Throws `DeltaError` DELTA_BASE when it is too short, DELTA_IO. */
  readOld(from: ListingEntry, offset: number, target: Buffer): void {
    this.#withOld(from, (fd) => {
      if (!fill(fd, target, offset)) throw damagedBase(from);
    });
  }

  /** Throws `DeltaError` DELTA_BASE when the old file is not what its listing says. */
  checkOld(from: ListingEntry): void {
    this.#withOld(from, (fd) => {
      if (!isEntry(fd, from, this.#buffer)) throw damagedBase(from);
    });
  }

  close(): void {
    this.#base.close();
    this.#folder.close();
  }

  #share(stats: Stats, entry: ListingEntry, from: ListingEntry, checks: BaseChecks): boolean {
    const path = this.#names?.folder ?? entry.path;
    const { size, sha256 } = from;
    const file = { path: this.#folder.below(path), size, sha256 };
    if (this.#sharer.clones && this.#withOld(from, (fd) => this.#sharer.clone(fd, path))) {
      checks.add(file, from);
      return true;
    }
    if (!this.#sharer.link(this.#names?.base ?? from.path, path)) return false;
    // Neither a name that came in its place meanwhile, nor a link in the way to what was made.
    checks.add({ ...file, only: { dev: stats.dev, ino: stats.ino } }, from);
    return true;
  }

  #statOld(from: ListingEntry): Stats {
    try {
      const stats = this.#base.stat(this.#names?.base ?? from.path);
      if (stats.isFile() && stats.size === from.size) return stats;
    } catch (error) {
      throw damagedBase(from, error);
    }
    throw damagedBase(from);
  }

  #openOld(from: ListingEntry): number {
    try {
      return this.#base.openFile(this.#names?.base ?? from.path);
    } catch (error) {
      throw damagedBase(from, error);
    }
  }

  #withOld<T>(from: ListingEntry, use: (fd: number) => T): T {
    const fd = this.#openOld(from);
    try {
      return attempt(from.path, () => use(fd));
    } finally {
      closeSync(fd);
    }
  }

  /** Hashed on its way, whatever was read of it before. */
  #copy(fd: number, entry: ListingEntry, from: ListingEntry): void {
    const file = this.createFile(entry);
    try {
      while (file.left > 0) {
        const piece = this.#buffer.subarray(0, Math.min(file.left, this.#buffer.length));
        if (!fill(fd, piece, entry.size - file.left)) throw damagedBase(from);
        file.write(piece);
      }
      if (!file.finish()) throw damagedBase(from);
    } finally {
      file.close();
    }
  }
}

function openFolder(path: string, isFile: boolean): StagingFolder {
  return new StagingFolder(isFile ? dirname(path) : path);
}

/** The error of a file that is not as listed. */
export function damagedBase({ path }: ListingEntry, cause?: unknown): DeltaError {
  return new DeltaError('DELTA_BASE', `'${path}' of the base is not what its listing says`, {
    hint: 'take the whole artifact, and look for what changed the file',
    ...(cause === undefined ? {} : { cause }),
  });
}

function attempt<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw toDeltaError(`'${path}'`, error);
  }
}
