/** A file that is being written, and held to its entry before it gets its mode: until then it is 0600. */
import { closeSync, fchmodSync, writeSync } from 'node:fs';
import { ContentHash, type ListingEntry } from '@landfall/archive';

/** One file of the new tree, written from its first byte to its last. */
export class NewFile {
  readonly entry: ListingEntry;
  readonly #fd: number;
  readonly #hash: ContentHash;
  #left: number;

  /** `fd`: open for writing, and closed with it. */
  constructor(fd: number, entry: ListingEntry) {
    this.#fd = fd;
    this.entry = entry;
    this.#hash = new ContentHash(entry.size);
    this.#left = entry.size;
  }

  /** Bytes that are still to come. */
  get left(): number {
    return this.#left;
  }

  /** At most `left` bytes. Throws system errors. */
  write(piece: Buffer): void {
    for (let at = 0; at < piece.length;) at += writeSync(this.#fd, piece, at);
    this.#hash.update(piece);
    this.#left -= piece.length;
  }

  /** Whether all of it came, as its entry says; it has its mode then. Throws system errors. */
  finish(): boolean {
    if (this.#left !== 0 || this.#hash.digest() !== this.entry.sha256) return false;
    fchmodSync(this.#fd, this.entry.mode);
    return true;
  }

  close(): void {
    closeSync(this.#fd);
  }
}
