/**
 * SHA-256 in a thread of its own, for whoever has other work to do meanwhile, and
 * the writing of what is hashed. Content is copied into a few slots of shared
 * memory, which the thread goes through one after the other; each side waits for
 * the other by a counter, so that nothing here needs the event loop. Its memory is
 * little more than the slots.
 *
 * Files come open and empty, and are written at the places that were told. A crash
 * leaves any part of them. The thread ends with `close`, and with the process.
 */
import { closeSync, writeSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import type { Worker } from 'node:worker_threads';
import { ArchiveError, toArchiveError } from './errors.ts';
import { hashSlots, PART_NUMBERS, type Shared } from './hash-slots.ts';
import { quotePath } from './names.ts';
import { startThread } from './thread.ts';

const SLOTS = 4;
const SLOT_BYTES = 1024 * 1024;
/** Parts of one slot: many small files fill it. All of them may be open. */
const SLOT_PARTS = 64;
const SLOT_NUMBERS = 1 + SLOT_PARTS * PART_NUMBERS;
const DIGEST_BYTES = 32;
/** While so many slots wait for the thread, what has to be written is written here. */
const BUSY_SLOTS = 2;
/** For one slot, which takes milliseconds, unless the disk hangs. */
const PATIENCE_MS = 600_000;

/** A file, or whatever is hashed. */
export interface Hashed {
  path: string;
  /** In hex, once it is known. */
  sha256: string;
}

/** Strings are hashed in their order: `begin`, and `update` until all of it came. Then `finish`, and in any case `close`. */
export class HashThread {
  readonly #worker: Worker;
  readonly #shared: Shared;
  /** That of `#shared`, as what is copied into fastest. */
  readonly #content: Buffer;
  readonly #gone: Promise<unknown>;
  /** What gets the digests that are to come, in order; and the descriptor to close then, or -1. */
  readonly #waiting: { into: Hashed; fd: number }[] = [];
  /** Strings whose digests were taken. */
  #ended = 0;
  /** Slots whose digests were taken. */
  #taken = 0;
  /** Of the string under way: bytes that are to come, and that came; where it is written to, or -1. */
  #left = 0;
  #at = 0;
  #fd = -1;
  #isLarge = false;
  /** In the slot that is being filled. */
  #bytes = 0;
  #parts = 0;

  /** Starts it; it is of use some milliseconds later. Undefined where that is not possible, or of no use. */
  static start(): HashThread | undefined {
    const shared: Shared = {
      slots: SLOTS,
      ready: new Int32Array(new SharedArrayBuffer(4)),
      submitted: new Int32Array(new SharedArrayBuffer(4)),
      done: new Int32Array(new SharedArrayBuffer(4)),
      content: new Uint8Array(new SharedArrayBuffer(SLOTS * SLOT_BYTES)),
      parts: new Float64Array(new SharedArrayBuffer(SLOTS * SLOT_NUMBERS * 8)),
      digests: new Uint8Array(new SharedArrayBuffer(SLOTS * SLOT_PARTS * DIGEST_BYTES)),
      failed: new Int32Array(new SharedArrayBuffer(8)),
    };
    const worker = startThread(`(${hashSlots.toString()})()`, shared);
    return worker && new HashThread(worker, shared);
  }

  private constructor(worker: Worker, shared: Shared) {
    this.#worker = worker;
    this.#shared = shared;
    this.#content = Buffer.from(shared.content.buffer);
    this.#gone = new Promise((resolve) => {
      worker.once('error', resolve);
      worker.once('exit', resolve);
    });
  }

  /** Whether it runs, and has so little to do that a string can be handed over. */
  hasRoom(): boolean {
    return Atomics.load(this.#shared.ready, 0) === 1 && this.#slotsFree() > 1;
  }

  /**
   * A string of `size` bytes, at least one, comes next. `into` gets its digest when
   * `finish` has resolved at the latest; it is also written to `fd`, a new file, unless
   * that is -1, which is closed then.
   */
  begin(size: number, into: Hashed, fd = -1): void {
    this.#left = size;
    this.#at = 0;
    this.#fd = fd;
    this.#isLarge = size > SLOT_BYTES;
    this.#waiting.push({ into, fd });
  }

  /**
   * Copies `piece`. May wait for the thread. Throws `ArchiveError` ARCHIVE_IO when that
   * does not go on, or something could not be written.
   */
  update(piece: Buffer): void {
    const { parts } = this.#shared;
    for (let at = 0; at < piece.length;) {
      if (this.#bytes === SLOT_BYTES || this.#parts === SLOT_PARTS) this.#submit();
      const part = piece.subarray(at, at + SLOT_BYTES - this.#bytes);
      const fd = this.#writer(part);
      this.#makeRoom();
      part.copy(this.#content, this.#slot * SLOT_BYTES + this.#bytes);
      const next = this.#slot * SLOT_NUMBERS + 1 + this.#parts * PART_NUMBERS;
      at += part.length;
      this.#left -= part.length;
      this.#bytes += part.length;
      this.#parts += 1;
      parts[next] = part.length * 2 + (this.#left === 0 ? 1 : 0);
      parts[next + 1] = fd;
      parts[next + 2] = this.#at;
      this.#at += part.length;
    }
  }

  /** Everything that came whole is written and has its digest. Throws as `update` does. */
  async finish(): Promise<void> {
    if (this.#parts > 0) this.#submit();
    while (this.#take() < this.#submitted) {
      const next = Atomics.waitAsync(this.#shared.done, 0, this.#taken, PATIENCE_MS);
      const result = await Promise.race([next.value, this.#gone]);
      if (result !== 'ok' && result !== 'not-equal') throw stuck(result);
    }
  }

  /** Ends the thread, whatever it does; after that it writes no more, and what was open is closed. */
  async close(): Promise<void> {
    await this.#worker.terminate();
    for (const { fd } of this.#waiting.splice(0)) if (fd >= 0) closeSync(fd);
  }

  /**
   * To which descriptor the thread is to write `part`, if any: while it is busy, it is written
   * here. So are all parts of a file that has many: two who write one file only wait for each other.
   */
  #writer(part: Buffer): number {
    const isBusy = SLOTS - this.#slotsFree() >= BUSY_SLOTS;
    if (this.#fd < 0 || (!this.#isLarge && !isBusy)) return this.#fd;
    try {
      for (let at = 0; at < part.length;) {
        at += writeSync(this.#fd, part, at, part.length - at, this.#at + at);
      }
    } catch (error) {
      throw toArchiveError(quotePath(this.#waiting.at(-1)?.into.path ?? ''), error);
    }
    return -1;
  }

  get #submitted(): number {
    return Atomics.load(this.#shared.submitted, 0);
  }

  get #slot(): number {
    return this.#submitted % SLOTS;
  }

  /** With the one that is being filled. */
  #slotsFree(): number {
    return SLOTS - (this.#submitted - this.#take());
  }

  /** The slot that is being filled is not the thread's after this. */
  #makeRoom(): void {
    while (this.#slotsFree() === 0) {
      const result = Atomics.wait(this.#shared.done, 0, this.#taken, PATIENCE_MS);
      if (result === 'timed-out') throw stuck(result);
    }
  }

  #submit(): void {
    const { submitted, parts } = this.#shared;
    parts[this.#slot * SLOT_NUMBERS] = this.#parts;
    this.#bytes = 0;
    this.#parts = 0;
    Atomics.add(submitted, 0, 1);
    Atomics.notify(submitted, 0);
  }

  /** Takes the digests of what was hashed, and closes its files. Returns how many slots that was since the start. */
  #take(): number {
    const { parts, digests, failed } = this.#shared;
    const done = Atomics.load(this.#shared.done, 0);
    if (this.#taken === done) return done;
    const [errno = 0, string = 0] = failed;
    if (errno !== 0) throw notWritten(this.#waiting[string - this.#ended]?.into.path ?? '', errno);
    for (; this.#taken < done; this.#taken += 1) {
      const slot = this.#taken % SLOTS;
      const first = slot * SLOT_NUMBERS;
      let at = slot * SLOT_PARTS * DIGEST_BYTES;
      for (let index = 0; index < (parts[first] ?? 0); index += 1) {
        if ((parts[first + 1 + index * PART_NUMBERS] ?? 0) % 2 === 0) continue;
        this.#end(Buffer.from(digests.buffer, at, DIGEST_BYTES).toString('hex'));
        at += DIGEST_BYTES;
      }
    }
    return done;
  }

  #end(sha256: string): void {
    const next = this.#waiting.shift();
    this.#ended += 1;
    if (next === undefined) return;
    next.into.sha256 = sha256;
    if (next.fd >= 0) closeSync(next.fd);
  }
}

function notWritten(path: string, errno: number): ArchiveError {
  const code = getSystemErrorName(errno);
  const cause = Object.assign(new Error(`${code}: write`), { code, errno, syscall: 'write' });
  return toArchiveError(quotePath(path), cause);
}

function stuck(cause: unknown): ArchiveError {
  return new ArchiveError('ARCHIVE_IO', 'the thread that hashes and writes does not go on', {
    hint: 'run the command again; if it stays so, look whether memory or threads are limited, or the disk hangs',
    cause,
  });
}
