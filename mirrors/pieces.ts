/**
 * Bytes that are held until they are made use of, in the pieces in which they
 * came. How large those are is up to the mirror: one of a single byte costs
 * hundreds, and one that was cut out of more keeps all of that. Such pieces are
 * copied, one behind the other; others are held as they are.
 */

/** Pieces below this are copied. */
const SMALL_BYTES = 4 * 1024;
/** What they are copied into, at a time. */
const BLOCK_BYTES = 64 * 1024;

/** Bytes in the order they came, at about the cost of their number. */
export class Pieces {
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #block: Buffer | undefined;
  /** In the block: where the copies begin that are in no piece yet, and where they end. */
  #start = 0;
  #end = 0;

  /** Of all that is held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The piece may not change after this. */
  add(piece: Uint8Array): void {
    this.#bytes += piece.length;
    if (isCostly(piece)) return this.#copy(piece);
    this.#closePiece();
    this.#pieces.push(piece);
  }

  /** All that is held, in order; it is not held any more. */
  take(): Uint8Array[] {
    this.#closePiece();
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#bytes = 0;
    return pieces;
  }

  #copy(piece: Uint8Array): void {
    for (let at = 0; at < piece.length;) {
      this.#block ??= Buffer.allocUnsafeSlow(BLOCK_BYTES);
      const part = piece.subarray(at, at + BLOCK_BYTES - this.#end);
      this.#block.set(part, this.#end);
      this.#end += part.length;
      at += part.length;
      if (this.#end < BLOCK_BYTES) continue;
      this.#closePiece();
      this.#block = undefined;
      this.#start = 0;
      this.#end = 0;
    }
  }

  /** What was copied so far is a piece; copies go on behind it. */
  #closePiece(): void {
    if (this.#block === undefined || this.#start === this.#end) return;
    this.#pieces.push(this.#block.subarray(this.#start, this.#end));
    this.#start = this.#end;
  }
}

function isCostly({ length, buffer }: Uint8Array): boolean {
  return length < SMALL_BYTES || length * 2 < buffer.byteLength;
}
