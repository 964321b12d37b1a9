/**
 * Applies a delta to a tree that is on the disk. The delta is taken for hostile:
 * what it leads to is compared with what was signed before anything is
 * written, every size has a cap before it is allocated, and every file is held
 * to its digest. Files that stay are shared with the base, after theirs was checked.
 *
 * It creates, never replaces, below one folder. Nothing is synced: the caller
 * syncs the tree, or removes it after any error or crash.
 */
import { setImmediate } from 'node:timers/promises';
import { compareEntries, type ListingEntry, type TreeInfo } from '@landfall/archive';
import { BaseChecks } from './base-checks.ts';
import type { Change } from './change.ts';
import { checkDelta, type FileInfo } from './check.ts';
import { type Inflate, inflateHere } from './codec.ts';
import { HEAD_BYTES, readAt, readInstructions } from './container.ts';
import { refused, toDeltaError } from './errors.ts';
import type { Tree } from './files.ts';
import type { Frame, Instructions } from './instructions.ts';
import type { NewFile } from './new-file.ts';
import { memoryNeeded, readRanges } from './ranges.ts';
import { damagedBase, Staging } from './staging.ts';

/** What the new tree is made from, and where. The base is read and never written. */
export interface ApplyDeltaOptions {
  /** What is on the disk; for a component of kind `file` the file and its one entry `.`. */
  base: Tree;
  /** What was signed of the new tree, or of the new file. */
  expect: TreeInfo | FileInfo;
  /** An empty folder; for a file the name that it gets, which must be free. */
  into: string;
  /**
   * Whether a file that stays (`from`: its path in the base) may be one with the
   * old one (`link`, or a clone) or must have bytes of its own; `link` unless told.
   * What cannot be shared is copied.
   */
  keep?: (entry: ListingEntry, from: string) => 'link' | 'copy';
  /** Called for each file that was shared, with its size in bytes. */
  onShared?: (bytes: number) => void;
  /** Called before anything is written, with the bytes of memory that it takes at most; may throw. */
  onNeed?: (bytes: number) => void;
  /** Unpacks zstd frames elsewhere. */
  inflate?: Inflate;
  signal?: AbortSignal;
}

/** Files that stay, between two looks at the signal. */
const FILES_AT_ONCE = 32;

/**
 * Applies the delta behind the open descriptor `fd`, which stays open. Resolves
 * to the new listing. Throws `DeltaError` DELTA_REFUSED (the delta is at fault),
 * DELTA_BASE (the base is), DELTA_IO; `ArchiveError` ARCHIVE_REFUSED when what
 * was signed may not travel.
 */
export async function applyDelta(fd: number, options: ApplyDeltaOptions): Promise<ListingEntry[]> {
  const { expect, into, signal } = options;
  return withChecks(options.base, async (checks) => {
    const instructions = await readInstructions(fd, options.inflate);
    const base = options.base.listing.toSorted(compareEntries);
    const change = checkDelta(instructions, base, expect);
    options.onNeed?.(memoryNeeded(instructions));
    signal?.throwIfAborted();
    const kind = 'contentSha256' in expect ? 'file' : 'tree';
    const staging = new Staging(options.base, into, kind);
    try {
      makeFolders(staging, change.listing);
      await keepFiles(staging, change, checks, options);
      await new Unpacker(fd, staging, base, options).unpack(instructions, change.outputs);
    } finally {
      staging.close();
    }
    return change.listing;
  });
}

/**
 * Makes a tree, or a file, that is the same as `base`: every file is checked,
 * then shared or copied. Resolves to its listing. Throws `DeltaError` DELTA_BASE, DELTA_IO.
 */
export async function keepTree(
  options: Pick<ApplyDeltaOptions, 'base' | 'into' | 'keep' | 'onShared' | 'signal'>,
): Promise<ListingEntry[]> {
  const listing = options.base.listing.toSorted(compareEntries);
  return withChecks(options.base, async (checks) => {
    const staging = new Staging(options.base, options.into, isSingle(listing) ? 'file' : 'tree');
    try {
      const kept = makeFolders(staging, listing).map((entry) => ({ entry, from: entry }));
      await keepFiles(staging, { kept }, checks, options);
    } finally {
      staging.close();
    }
    return listing;
  });
}

/** Their thread starts while the rest is looked at. */
async function withChecks<T>(
  { listing }: Tree,
  work: (checks: BaseChecks) => Promise<T>,
): Promise<T> {
  const checks = new BaseChecks(listing.reduce((sum, { size }) => sum + size, 0));
  try {
    return await work(checks);
  } finally {
    await checks.close();
  }
}

/** Makes the folders of `listing`, and returns its files. */
function makeFolders(staging: Staging, listing: readonly ListingEntry[]): ListingEntry[] {
  return listing.filter((entry) => {
    if (entry.type === 'directory') staging.makeDirectory(entry);
    return entry.type === 'file';
  });
}

function isSingle([first]: readonly ListingEntry[]): boolean {
  return first?.type === 'file' && first.path === '.';
}

async function keepFiles(
  staging: Staging,
  { kept }: Pick<Change, 'kept'>,
  checks: BaseChecks,
  { keep, onShared, signal }: Pick<ApplyDeltaOptions, 'keep' | 'onShared' | 'signal'>,
): Promise<void> {
  for (const [index, { entry, from }] of kept.entries()) {
    const share = (keep?.(entry, from.path) ?? 'link') === 'link';
    if (staging.keep(entry, from, share, checks)) onShared?.(entry.size);
    if (index % FILES_AT_ONCE !== 0) continue;
    await setImmediate();
    if (checks.wrong !== undefined) break;
    signal?.throwIfAborted();
  }
  const wrong = await checks.settle();
  if (wrong !== undefined) throw damagedBase(wrong);
}

/** Turns frames into files, one behind the other. */
class Unpacker {
  readonly #fd: number;
  readonly #staging: Staging;
  readonly #base: readonly ListingEntry[];
  readonly #inflate: Inflate;
  readonly #signal: AbortSignal | undefined;
  #file: NewFile | undefined;
  #at = HEAD_BYTES;

  constructor(
    fd: number,
    staging: Staging,
    base: readonly ListingEntry[],
    { inflate = inflateHere, signal }: ApplyDeltaOptions,
  ) {
    this.#fd = fd;
    this.#staging = staging;
    this.#base = base;
    this.#inflate = inflate;
    this.#signal = signal;
  }

  async unpack({ frames }: Instructions, outputs: readonly ListingEntry[]): Promise<void> {
    const queue = outputs.values();
    try {
      for (const frame of frames) {
        this.#signal?.throwIfAborted();
        await this.#unpackFrame(frame, queue);
      }
      // Empty files at the end, which no frame came by.
      for (const entry of queue) this.#begin(entry);
    } finally {
      this.#file?.close();
    }
  }

  async #unpackFrame(frame: Frame, queue: Iterator<ListingEntry, undefined>): Promise<void> {
    try {
      this.#write(await this.#read(frame), queue);
    } catch (error) {
      // Which of the two is at fault: the base is looked at only now.
      for (const { file } of frame.ranges) {
        const old = this.#base[file];
        if (old !== undefined) this.#staging.checkOld(old);
      }
      throw toDeltaError('the delta', error);
    }
  }

  async #read({ packed, content, ranges }: Frame): Promise<Buffer> {
    const bytes = readAt(this.#fd, this.#at, packed);
    this.#at += packed;
    const dictionary = readRanges(this.#base, ranges, (...read) => this.#staging.readOld(...read));
    const unpacked = await this.#inflate(bytes, { content, dictionary });
    if (unpacked.length !== content) throw refused('has a frame of another size than it tells');
    return unpacked;
  }

  #write(content: Buffer, queue: Iterator<ListingEntry, undefined>): void {
    for (let at = 0; at < content.length;) {
      const file = this.#file ?? this.#begin(queue.next().value);
      if (file === undefined) continue;
      const piece = content.subarray(at, at + file.left);
      try {
        file.write(piece);
      } catch (error) {
        throw toDeltaError(`'${file.entry.path}'`, error);
      }
      at += piece.length;
      if (file.left === 0) this.#finish(file);
    }
  }

  /** The next file, unless it is an empty one, which is finished at once. */
  #begin(entry: ListingEntry | undefined): NewFile | undefined {
    if (entry === undefined) throw refused('has more content than files');
    this.#file = this.#staging.createFile(entry);
    if (entry.size === 0) this.#finish(this.#file);
    return this.#file;
  }

  #finish(file: NewFile): void {
    this.#file = undefined;
    try {
      if (!file.finish()) throw refused(`does not give '${file.entry.path}' as it was signed`);
    } finally {
      file.close();
    }
  }
}
