/**
 * Digests of consecutive ranges of a compressed file, for the signed manifest:
 * a reader that has only a part of the file can tell whether that part is
 * right. A range ends where a frame ends and holds a few MiB, so that a list
 * of them stays small beside what it describes.
 */
import { createHash, type Hash } from 'node:crypto';

/** Bytes from which on a range ends with the next end of a frame. */
const RANGE_BYTES = 4 * 1024 * 1024;
/** What a manifest takes; a file of more is signed as a whole only. */
const MAX_RANGES = 4096;

/** A range: its bytes, and their SHA-256 in hex. It begins where the one before it ends. */
export interface FrameRange {
  size: number;
  sha256: string;
}

/** Takes a file as it is written, piece by piece, and ends ranges on the way. */
export class FrameDigests {
  readonly #ranges: FrameRange[] = [];
  #hash: Hash | undefined;
  #size = 0;

  /** Counts `bytes`, which belong together; `begins`: a range may begin with them. */
  add(bytes: Uint8Array, begins: boolean): void {
    if (begins && this.#size >= RANGE_BYTES) this.#end();
    this.#hash ??= createHash('sha256');
    this.#hash.update(bytes);
    this.#size += bytes.length;
  }

  /** Every range of what was added; undefined when there is only one, or too many to be signed. */
  finish(): FrameRange[] | undefined {
    this.#end();
    const count = this.#ranges.length;
    return count > 1 && count <= MAX_RANGES ? this.#ranges : undefined;
  }

  #end(): void {
    if (this.#hash === undefined) return;
    this.#ranges.push({ size: this.#size, sha256: this.#hash.digest('hex') });
    this.#hash = undefined;
    this.#size = 0;
  }
}
