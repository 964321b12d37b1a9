/**
 * SHA-256 of many files that come in pieces, one after the other: in a thread of
 * its own where there is much to hash, which also writes them; and here what that
 * has no room for. Where no thread may be started, and until it runs, all is hashed
 * here.
 */
import { ContentHash } from './content-hash.ts';
import { type Hashed, HashThread } from './hash-thread.ts';

/** Bytes in all from which a thread is worth its start. */
const WORTH_BYTES = 32 * 1024 * 1024;
/** Of them, so many come before it is started where nobody knows: an archive of many names may have little content. */
const FIRST_BYTES = 1024 * 1024;

/** For each file `begin`, and `update` until all of it came. Then `finish`, and in any case `close`. */
export class ContentHashes {
  #thread: HashThread | undefined;
  /** Bytes that are yet to come before the thread is started; none once it is. */
  #untilThread: number;
  /** Of the file under way, when it is hashed here. */
  #here: ContentHash | undefined;
  #into: Hashed = { path: '', sha256: '' };
  #left = 0;

  /** `bytes`: about as many will come in all, or for certain. */
  constructor(bytes: number, { isCertain = false } = {}) {
    this.#untilThread = bytes < WORTH_BYTES ? Number.POSITIVE_INFINITY : FIRST_BYTES;
    if (isCertain) this.#countTo(bytes);
  }

  /**
   * A file of `size` bytes comes next. `into` gets its digest when `finish` has resolved
   * at the latest. True: what comes is written to `fd` as well, which is closed then.
   */
  begin(size: number, into: Hashed, fd?: number): boolean {
    this.#countTo(size);
    this.#left = size;
    this.#into = into;
    const thread = size > 0 && this.#thread?.hasRoom() === true ? this.#thread : undefined;
    this.#here = thread === undefined ? new ContentHash(size) : undefined;
    thread?.begin(size, into, fd);
    if (size === 0) this.#end();
    return thread !== undefined && fd !== undefined;
  }

  /**
   * The piece is copied where it is not hashed at once. Throws `ArchiveError` ARCHIVE_IO
   * when the thread does not go on, or something could not be written.
   */
  update(piece: Buffer): void {
    if (this.#here === undefined) return this.#thread?.update(piece);
    this.#here.update(piece);
    this.#left -= piece.length;
    if (this.#left === 0) this.#end();
  }

  /** All digests are there, and all is written. Throws as `update` does. */
  async finish(): Promise<void> {
    await this.#thread?.finish();
  }

  /** Also after an error: nothing is written after it. */
  async close(): Promise<void> {
    await this.#thread?.close();
  }

  #countTo(size: number): void {
    if (this.#untilThread <= 0) return;
    this.#untilThread -= size;
    if (this.#untilThread <= 0) this.#thread = HashThread.start();
  }

  #end(): void {
    this.#into.sha256 = this.#here?.digest() ?? '';
    this.#here = undefined;
  }
}
