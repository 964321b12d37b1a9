/**
 * Numbers, texts and digests as bytes, and back. Numbers are LEB128: seven bits
 * a byte, the lowest first, at most 2^53 - 1 and in no more bytes than needed.
 */
import { refused } from './errors.ts';

/** Bytes of a digest. */
export const SHA256_BYTES = 32;

/** Puts values one behind the other; a text stands behind its length in bytes. */
export class ByteWriter {
  readonly #pieces: Buffer[] = [];

  number(value: number): void {
    const bytes: number[] = [];
    let left = value;
    for (; left >= 0x80; left = Math.floor(left / 0x80)) bytes.push((left % 0x80) | 0x80);
    bytes.push(left);
    this.#pieces.push(Buffer.from(bytes));
  }

  text(value: string): void {
    this.number(Buffer.byteLength(value));
    this.#pieces.push(Buffer.from(value));
  }

  /** `hex`: a SHA-256. */
  digest(hex: string): void {
    this.#pieces.push(Buffer.from(hex, 'hex'));
  }

  toBuffer(): Buffer {
    return Buffer.concat(this.#pieces);
  }
}

/** Reads what `ByteWriter` wrote. Throws `DeltaError` DELTA_REFUSED for anything else. */
export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** At most `most`, which is named `what` in the refusal. */
  number(what: string, most: number): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.#take(1)[0] ?? 0;
      value += (byte & 0x7f) * scale;
      if (value > most) throw refused(`has ${what} above ${most}`);
      if (byte < 0x80) {
        if (byte === 0 && scale > 1) throw refused(`has ${what} with zeros at its end`);
        return value;
      }
      // `most` ends it before digits are lost, except for zeros.
      if (scale > 2 ** 49) throw refused(`has ${what} that is too long`);
    }
  }

  /** A count of `what`, which take at least `bytes` each: at most `most`, and what follows must have room for them. */
  count(what: string, bytes: number, most: number): number {
    const count = this.number(`a count of ${what}`, Number.MAX_SAFE_INTEGER);
    if (count > most) {
      throw refused(`has too many ${what}: expected at most ${most} more, found ${count}`);
    }
    if (count * bytes > this.#bytes.length - this.#at) throw refused('ends early');
    return count;
  }

  /** Text of at most `most` bytes. */
  text(what: string, most: number): string {
    const bytes = this.#take(this.number(what, most));
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch (error) {
      throw refused(`has ${what} that is not UTF-8`, error);
    }
  }

  /** A SHA-256 in hex. */
  digest(): string {
    return this.#take(SHA256_BYTES).toString('hex');
  }

  /** Throws unless everything was read. */
  end(): void {
    if (this.#at !== this.#bytes.length) throw refused('goes on after its end');
  }

  #take(bytes: number): Buffer {
    if (bytes > this.#bytes.length - this.#at) throw refused('ends early');
    this.#at += bytes;
    return this.#bytes.subarray(this.#at - bytes, this.#at);
  }
}
