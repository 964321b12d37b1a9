/** SHA-256 of a file that comes in pieces; most files come in one. */
import { createHash, hash, type Hash } from 'node:crypto';

const EMPTY = hash('sha256', '', 'hex');

/** Hashes content of a known size. A single piece is hashed in one call, which for small files costs a third. */
export class ContentHash {
  readonly #size: number;
  #whole: string | undefined;
  #hash: Hash | undefined;

  /** `size`: bytes that will come. */
  constructor(size: number) {
    this.#size = size;
  }

  update(piece: Buffer): void {
    if (piece.length === this.#size && this.#hash === undefined) {
      this.#whole = hash('sha256', piece, 'hex');
    } else {
      this.#hash ??= createHash('sha256');
      this.#hash.update(piece);
    }
  }

  /** In hex. */
  digest(): string {
    return this.#whole ?? this.#hash?.digest('hex') ?? EMPTY;
  }
}
