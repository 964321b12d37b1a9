/**
 * Makes a delta: everything that a node which has the old tree needs for the
 * new one. The same trees, level and codec give the same bytes.
 *
 * Memory: two frames at a time, each with its content, its dictionary and the
 * tables of the compressor; and the delta's own size is on the disk, not here.
 * A crash leaves `<outPath>.tmp` and nothing under the given name.
 */
import { createHash } from 'node:crypto';
import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { compareEntries, type ListingEntry } from '@landfall/archive';
import { baseDigest } from './base-digest.ts';
import { packFrame } from './codec.ts';
import { compareListings, type Comparison, type Wanted } from './compare.ts';
import { headBytes, tailBytes } from './container.ts';
import { toDeltaError } from './errors.ts';
import { type Tree, TreeFiles } from './files.ts';
import { readRanges } from './ranges.ts';
import { encodeInstructions, type Frame } from './instructions.ts';
import { MAX_FRAMES, MAX_INSTRUCTION_BYTES } from './limits.ts';
import { type FramePlan, isSmallChange, planFrames } from './plan-frames.ts';

/** Finds most of what higher levels find, in a fraction of their time. */
const DEFAULT_LEVEL = 9;
/** For a change that is small enough to afford it. */
const SMALL_CHANGE_LEVEL = 19;
/** The instructions are small, and hashes and paths leave little to find. */
const INSTRUCTION_LEVEL = 19;
/** Frames compressed at a time. */
const IN_FLIGHT = 2;

/** Which tree becomes which, and what the delta may cost. */
export interface MakeDeltaOptions {
  /** What a node has. */
  from: Tree;
  /** What it shall have. */
  to: Tree;
  outPath: string;
  /** zstd's own; 9 unless told, and 19 for a small change. */
  level?: number;
  /** A delta of as many bytes, or more, is not worth its place. */
  bound?: number;
  signal?: AbortSignal;
}

/**
 * Writes the delta to `outPath`; its size and SHA-256 in hex. Undefined, and no
 * file, when it would not be smaller than `bound`. Throws `DeltaError` DELTA_IO
 * when a tree is not what its listing says, or the disk fails.
 */
export async function makeDelta(
  options: MakeDeltaOptions,
): Promise<{ size: number; sha256: string } | undefined> {
  const { from, to, outPath, bound = Infinity, signal } = options;
  const temporary = `${outPath}.tmp`;
  let output: Output | undefined;
  try {
    output = new Output(temporary, bound);
    const isWhole = await new Maker(from, to, options.level, signal).make(output);
    const made = output.close();
    if (isWhole) renameSync(temporary, outPath);
    else rmSync(temporary, { force: true });
    return isWhole ? made : undefined;
  } catch (error) {
    output?.close();
    rmSync(temporary, { force: true });
    signal?.throwIfAborted();
    throw toDeltaError(`'${outPath}'`, error);
  }
}

class Maker {
  readonly #base: readonly ListingEntry[];
  readonly #comparison: Comparison;
  readonly #from: TreeFiles;
  readonly #to: TreeFiles;
  readonly #level: number;
  readonly #signal: AbortSignal | undefined;
  readonly #frames: Frame[] = [];

  constructor(from: Tree, to: Tree, level: number | undefined, signal: AbortSignal | undefined) {
    this.#base = from.listing.toSorted(compareEntries);
    this.#comparison = compareListings(this.#base, to.listing.toSorted(compareEntries));
    this.#from = new TreeFiles(from);
    this.#to = new TreeFiles(to);
    const isSmall = isSmallChange(this.#comparison.wanted);
    this.#level = level ?? (isSmall ? SMALL_CHANGE_LEVEL : DEFAULT_LEVEL);
    this.#signal = signal;
  }

  /** False when `output` is full. */
  async make(output: Output): Promise<boolean> {
    const { frames, order } = planFrames(this.#base, this.#comparison.wanted);
    if (frames.length > MAX_FRAMES) return false;
    output.put(headBytes());
    const pending: { plan: FramePlan; packed: Promise<Buffer> }[] = [];
    try {
      for (const plan of frames) {
        this.#signal?.throwIfAborted();
        const packed = this.#pack(plan);
        packed.catch(() => {});
        pending.push({ plan, packed });
        if (pending.length === IN_FLIGHT) await this.#put(output, pending);
        if (output.isFull) return false;
      }
      while (pending.length > 0) await this.#put(output, pending);
    } finally {
      await Promise.allSettled(pending.map(({ packed }) => packed));
    }
    return this.#putInstructions(output, order);
  }

  async #pack({ pieces, content, ranges }: FramePlan): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(content);
    let at = 0;
    for (const { entry, offset, length } of pieces) {
      this.#to.read(entry, offset, bytes.subarray(at, (at += length)));
    }
    const dictionary = readRanges(this.#base, ranges, (...read) => this.#from.read(...read));
    return packFrame(bytes, { level: this.#level, dictionary });
  }

  async #put(
    output: Output,
    pending: { plan: FramePlan; packed: Promise<Buffer> }[],
  ): Promise<void> {
    const next = pending.shift();
    if (next === undefined) return;
    const packed = await next.packed;
    output.put(packed);
    const { content, ranges } = next.plan;
    this.#frames.push({ packed: packed.length, content, ranges });
  }

  async #putInstructions(output: Output, order: readonly Wanted[]): Promise<boolean> {
    const { removed, folders, moved } = this.#comparison;
    const bytes = encodeInstructions({
      base: baseDigest(this.#base),
      removed,
      folders,
      moved,
      outputs: [...order],
      frames: this.#frames,
    });
    if (bytes.length > MAX_INSTRUCTION_BYTES) return false;
    const packed = await packFrame(bytes, { level: INSTRUCTION_LEVEL, dictionary: undefined });
    output.put(packed);
    output.put(tailBytes(packed.length, bytes.length));
    return !output.isFull;
  }
}

/** The file that is being written: its size and digest so far. */
class Output {
  readonly #hash = createHash('sha256');
  readonly #bound: number;
  #fd: number | undefined;
  #size = 0;

  constructor(path: string, bound: number) {
    rmSync(path, { force: true });
    this.#fd = openSync(path, 'wx', 0o644);
    this.#bound = bound;
  }

  get isFull(): boolean {
    return this.#size >= this.#bound;
  }

  put(bytes: Buffer): void {
    if (this.#fd === undefined) return;
    for (let at = 0; at < bytes.length;) at += writeSync(this.#fd, bytes, at);
    this.#hash.update(bytes);
    this.#size += bytes.length;
  }

  /** Call it once with success; a second call does nothing and tells nothing. */
  close(): { size: number; sha256: string } | undefined {
    if (this.#fd === undefined) return undefined;
    closeSync(this.#fd);
    this.#fd = undefined;
    return { size: this.#size, sha256: this.#hash.digest('hex') };
  }
}
