/**
 * How the contents that must travel are cut into frames, and what of the old
 * tree each frame refers to. Small files share frames, in the order of their
 * families, so that files which resemble each other meet; what is longer than a
 * frame goes on in the next one, beside the part of the old file where it
 * stood, with room on both sides for what moved.
 */
import type { ListingEntry } from '@landfall/archive';
import type { Wanted } from './compare.ts';
import type { Range } from './instructions.ts';
import { MAX_ALL_RANGES, MAX_RANGES, MAX_REREADS } from './limits.ts';

/** A change of no more content is small: time and distance cost little, and what it finds is most of the delta. */
const SMALL_CHANGE_BYTES = 16 * 1024 * 1024;
/** Files of other changes are put together up to this; more would only cost distance. */
const BATCH_BYTES = 4 * 1024 * 1024;

/**
 * Content of one frame of a longer file, and what lies before and after its
 * place in the old one. What both are together decides how much memory the
 * compressor's tables take; half of what the format allows finds as much.
 */
const PART_BYTES = 16 * 1024 * 1024;
const MARGIN_BYTES = 8 * 1024 * 1024;
/** Bytes of old files that one frame refers to. */
const REFERRED_BYTES = PART_BYTES + 2 * MARGIN_BYTES;

/** A part of a new file, in bytes. */
export interface Piece {
  entry: ListingEntry;
  offset: number;
  length: number;
}

/** A frame to be made: `content` is the bytes of its pieces, `ranges` are its dictionary. */
export interface FramePlan {
  pieces: Piece[];
  content: number;
  ranges: Range[];
}

/** Whether so little changed that it may share one frame, and be looked at for long. */
export function isSmallChange(wanted: readonly Wanted[]): boolean {
  return wanted.reduce((sum, { size }) => sum + size, 0) <= SMALL_CHANGE_BYTES;
}

/** Frames for `wanted`, and the files in the order of their content. `base`: the old listing. */
export function planFrames(
  base: readonly ListingEntry[],
  wanted: readonly Wanted[],
): { frames: FramePlan[]; order: Wanted[] } {
  const order = wanted.toSorted((a, b) => compare(a.family, b.family) || compareTargets(a, b));
  const frames: FramePlan[] = [];
  // Bundles repeat what stands beside them: in one frame it travels once.
  const most = isSmallChange(wanted) ? SMALL_CHANGE_BYTES : BATCH_BYTES;
  let batch = new Batch(base, most);
  const close = (): void => {
    if (batch.plan.content > 0) frames.push(batch.plan);
    batch = new Batch(base, most);
  };
  for (const each of order) {
    if (each.size > PART_BYTES) {
      close();
      frames.push(...cut(base, each));
    } else {
      if (!batch.takes(each)) close();
      batch.add(each);
    }
  }
  close();
  return { frames: bounded(base, frames), order };
}

/** All frames together refer to no more than they may: those that would go beyond it stand for themselves. */
function bounded(base: readonly ListingEntry[], frames: readonly FramePlan[]): FramePlan[] {
  let parts = MAX_ALL_RANGES;
  let bytes = MAX_REREADS * base.reduce((sum, { size }) => sum + size, 0);
  return frames.map((frame) => {
    const dictionary = frame.ranges.reduce((sum, { length }) => sum + length, 0);
    if (frame.ranges.length > parts || dictionary > bytes) return { ...frame, ranges: [] };
    parts -= frame.ranges.length;
    bytes -= dictionary;
    return frame;
  });
}

function compareTargets(a: Wanted, b: Wanted): number {
  return compare(a.entry.path, b.entry.path);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/** Files that share a frame. */
class Batch {
  readonly plan: FramePlan = { pieces: [], content: 0, ranges: [] };
  readonly #base: readonly ListingEntry[];
  readonly #most: number;
  readonly #places = new Set<number>();
  #dictionary = 0;

  /** `most`: bytes of content, and half of the bytes that they refer to. */
  constructor(base: readonly ListingEntry[], most: number) {
    this.#base = base;
    this.#most = most;
  }

  takes({ size, relatives }: Wanted): boolean {
    const { content } = this.plan;
    if (content === 0 || size === 0) return true;
    const more = relatives.filter((place) => !this.#places.has(place));
    const bytes = more.reduce((sum, place) => sum + this.#sizeOf(place), 0);
    return (
      content + size <= this.#most &&
      this.#dictionary + bytes <= 2 * this.#most &&
      this.#places.size + more.length <= MAX_RANGES
    );
  }

  add({ entry, relatives }: Wanted): void {
    this.plan.pieces.push({ entry, offset: 0, length: entry.size });
    this.plan.content += entry.size;
    if (entry.size === 0) return;
    for (const file of relatives) {
      const length = Math.min(this.#sizeOf(file), REFERRED_BYTES - this.#dictionary);
      if (this.#places.has(file) || length === 0) continue;
      this.#places.add(file);
      this.#dictionary += length;
      this.plan.ranges.push({ file, offset: 0, length });
    }
  }

  #sizeOf(place: number): number {
    return this.#base[place]?.size ?? 0;
  }
}

/** One long file in frames of its own. */
function cut(base: readonly ListingEntry[], { entry, relatives }: Wanted): FramePlan[] {
  const [file] = relatives;
  const old = file === undefined ? 0 : (base[file]?.size ?? 0);
  const frames: FramePlan[] = [];
  for (let offset = 0; offset < entry.size; offset += PART_BYTES) {
    const length = Math.min(PART_BYTES, entry.size - offset);
    const place = Math.floor((offset / entry.size) * old);
    const start = Math.max(0, Math.min(place - MARGIN_BYTES, old - REFERRED_BYTES));
    const range = { offset: start, length: Math.min(REFERRED_BYTES, old - start) };
    const ranges = file === undefined || range.length === 0 ? [] : [{ file, ...range }];
    frames.push({ pieces: [{ entry, offset, length }], content: length, ranges });
  }
  return frames;
}
