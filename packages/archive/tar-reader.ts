/**
 * The second reader: a tar stream in pieces of any size, as entries and their
 * content. It knows the format and nothing of what may travel: that is
 * `tree-rules.ts`. It stops at the first byte that is not as the format says.
 */
import { damaged } from './errors.ts';
import { MAX_ALL_PATH_BYTES } from './limits.ts';
import { type PaxFields, parsePax } from './pax.ts';
import { HeaderProblem, isZero, parseHeader, type RawHeader } from './tar-header.ts';

const BLOCK = 512;
/** Body of a pax header: one long path and some times. */
const MAX_PAX_BYTES = 16 * 1024;
/** Zeros after the end; GNU tar fills its last record, of 10 KiB by default. */
const MAX_PADDING = 1024 * 1024;
/** What a size field of eleven octal digits holds. */
const MAX_OCTAL = 0o77777777777;

/** An entry as stored, with its pax records applied. */
export interface TarEntry extends RawHeader {
  /** Its place in the archive, from 1. */
  index: number;
}

/** What a reader of an archive does with it. Calls come in the archive's order. */
export interface TarHandler {
  entry(entry: TarEntry): void;
  /** A piece of the entry's content, valid during the call. */
  content(piece: Buffer): void;
  endOfEntry(): void;
}

type State = 'header' | 'pax' | 'content' | 'padding' | 'second-zero-block' | 'end';

/** Reads one archive: `push` each piece, then `finish`. Throws `ArchiveError` ARCHIVE_REFUSED. */
export class TarReader {
  readonly #subject: string;
  readonly #handler: TarHandler;
  readonly #block = Buffer.alloc(BLOCK);
  #state: State = 'header';
  /** Bytes of the current block, or of a pax body, that came so far. */
  #held = 0;
  #paxBody = Buffer.alloc(0);
  #pax: PaxFields | undefined;
  #left = 0;
  #padding = 0;
  #index = 0;
  #pathBytes = 0;
  #endPadding = 0;

  /** `subject` names the archive in messages. */
  constructor(subject: string, handler: TarHandler) {
    this.#subject = subject;
    this.#handler = handler;
  }

  /** Takes the next bytes of the stream. Throws `ArchiveError` ARCHIVE_REFUSED. */
  push(piece: Buffer): void {
    for (let at = 0; at < piece.length;) at += this.#step(piece, at);
  }

  /** Call after the last piece: an archive ends with two blocks of zeros. */
  finish(): void {
    if (this.#state !== 'end') throw damaged(this.#subject, 'is truncated');
    if (this.#endPadding % BLOCK !== 0) {
      throw damaged(this.#subject, 'does not end at a whole block');
    }
  }

  /** Takes some bytes of `piece` from `at`; returns how many. */
  #step(piece: Buffer, at: number): number {
    switch (this.#state) {
      case 'content':
        return this.#takeContent(piece, at);
      case 'padding':
        return this.#takePadding(piece, at);
      case 'pax':
        return this.#takePax(piece, at);
      case 'end':
        return this.#takeEnd(piece, at);
      default:
        return this.#takeBlock(piece, at);
    }
  }

  #takeContent(piece: Buffer, at: number): number {
    const length = Math.min(this.#left, piece.length - at);
    this.#handler.content(piece.subarray(at, at + length));
    this.#left -= length;
    if (this.#left === 0) this.#endEntry();
    return length;
  }

  #endEntry(): void {
    this.#handler.endOfEntry();
    this.#state = this.#padding === 0 ? 'header' : 'padding';
  }

  #takePadding(piece: Buffer, at: number): number {
    const length = Math.min(this.#padding, piece.length - at);
    if (!isZero(piece, at, at + length)) {
      throw damaged(this.#subject, `${this.#nth()} has data hidden after its content`);
    }
    this.#padding -= length;
    if (this.#padding === 0) this.#state = 'header';
    return length;
  }

  #takePax(piece: Buffer, at: number): number {
    const length = Math.min(this.#paxBody.length - this.#held, piece.length - at);
    piece.copy(this.#paxBody, this.#held, at, at + length);
    this.#held += length;
    if (this.#held < this.#paxBody.length) return length;
    this.#held = 0;
    this.#pax = this.#parse(() => parsePax(this.#paxBody));
    this.#state = this.#padding === 0 ? 'header' : 'padding';
    return length;
  }

  #takeEnd(piece: Buffer, at: number): number {
    this.#endPadding += piece.length - at;
    if (!isZero(piece, at)) throw damaged(this.#subject, 'has data after its end');
    if (this.#endPadding > MAX_PADDING) {
      throw damaged(this.#subject, `has more than ${MAX_PADDING} bytes after its end`);
    }
    return piece.length - at;
  }

  #takeBlock(piece: Buffer, at: number): number {
    const length = Math.min(BLOCK - this.#held, piece.length - at);
    if (length === BLOCK) {
      this.#readBlock(piece.subarray(at, at + BLOCK));
      return BLOCK;
    }
    piece.copy(this.#block, this.#held, at, at + length);
    this.#held += length;
    if (this.#held === BLOCK) {
      this.#held = 0;
      this.#readBlock(this.#block);
    }
    return length;
  }

  #readBlock(block: Buffer): void {
    const zero = isZero(block);
    if (this.#state === 'second-zero-block') {
      if (!zero) throw damaged(this.#subject, 'has data after its end');
      this.#state = 'end';
      return;
    }
    if (zero) {
      if (this.#pax !== undefined) {
        throw damaged(this.#subject, 'ends with a pax header that belongs to no entry');
      }
      this.#state = 'second-zero-block';
      return;
    }
    this.#index += 1;
    const header = this.#parse(() => parseHeader(block));
    if (header.flag === 'x') this.#startPax(header);
    else this.#startEntry(header);
  }

  #startPax(header: RawHeader): void {
    this.#index -= 1;
    if (this.#pax !== undefined) throw damaged(this.#subject, 'has two pax headers in a row');
    if (header.size === 0 || header.size > MAX_PAX_BYTES) {
      throw damaged(this.#subject, `has a pax header of ${header.size} bytes`);
    }
    this.#paxBody = Buffer.alloc(header.size);
    this.#padding = (BLOCK - (header.size % BLOCK)) % BLOCK;
    this.#state = 'pax';
  }

  #startEntry(header: RawHeader): void {
    const { path, size } = this.#pax ?? {};
    this.#pax = undefined;
    if (size !== undefined && header.size !== size && size <= MAX_OCTAL) {
      throw damaged(
        this.#subject,
        `${this.#nth()} has two sizes: ${header.size} in its header, ${size} in its pax record`,
      );
    }
    const entry = {
      ...header,
      name: path ?? header.name,
      size: size ?? header.size,
      index: this.#index,
    };
    this.#pathBytes += Buffer.byteLength(entry.name) + 1;
    if (this.#pathBytes > MAX_ALL_PATH_BYTES) {
      throw damaged(this.#subject, `has more than ${MAX_ALL_PATH_BYTES} bytes of paths`);
    }
    this.#left = entry.size;
    this.#padding = (BLOCK - (entry.size % BLOCK)) % BLOCK;
    this.#handler.entry(entry);
    this.#state = 'content';
    if (this.#left === 0) this.#endEntry();
  }

  #nth(): string {
    return `entry ${this.#index}`;
  }

  #parse<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof HeaderProblem)) throw error;
      throw damaged(this.#subject, `${this.#nth()} ${error.message}`, error);
    }
  }
}
