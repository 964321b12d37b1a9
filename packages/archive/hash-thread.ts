/**
 * SHA-256 in a thread of its own, for whoever has other work to do meanwhile.
 * Content is copied into a few slots of shared memory, which the thread hashes
 * one after the other; each side waits for the other by a counter, so that
 * nothing here needs the event loop. Its memory is little more than the slots.
 *
 * Nothing is written; the thread ends with `close`, and with the process.
 */
import type { Worker } from 'node:worker_threads';
import { ArchiveError } from './errors.ts';
import { hashSlots, type Shared } from './hash-slots.ts';
import { startThread } from './thread.ts';

const SLOTS = 4;
const SLOT_BYTES = 1024 * 1024;
/** Parts of one slot: many small files fill it. */
const SLOT_PARTS = 2048;
const DIGEST_BYTES = 32;
/** For one slot, which is hashed in a millisecond. */
const PATIENCE_MS = 60_000;

/** Strings are hashed in their order: `begin`, and `update` until all of it came. Then `finish`, and in any case `close`. */
export class HashThread {
  readonly #worker: Worker;
  readonly #shared: Shared;
  /** That of `#shared`, as what is copied into fastest. */
  readonly #content: Buffer;
  readonly #ended: Promise<unknown>;
  /** What gets the digests that are to come, in order. */
  readonly #waiting: { sha256: string }[] = [];
  /** Slots whose digests were taken. */
  #taken = 0;
  /** Of the string under way. */
  #left = 0;
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
      parts: new Uint32Array(new SharedArrayBuffer(SLOTS * (SLOT_PARTS + 1) * 4)),
      digests: new Uint8Array(new SharedArrayBuffer(SLOTS * SLOT_PARTS * DIGEST_BYTES)),
    };
    const worker = startThread(`(${hashSlots.toString()})()`, shared);
    return worker && new HashThread(worker, shared);
  }

  private constructor(worker: Worker, shared: Shared) {
    this.#worker = worker;
    this.#shared = shared;
    this.#content = Buffer.from(shared.content.buffer);
    this.#ended = new Promise((resolve) => {
      worker.once('error', resolve);
      worker.once('exit', resolve);
    });
  }

  /** Whether it runs, and a string of `size` bytes can be handed over without waiting; of a large one as much as there ever is room for. */
  hasRoom(size: number): boolean {
    if (Atomics.load(this.#shared.ready, 0) !== 1) return false;
    return this.#slotsFree() >= Math.min(SLOTS, 1 + Math.ceil(size / SLOT_BYTES));
  }

  /** A string of `size` bytes, at least one, comes next. `into` gets its digest in hex, when `finish` has resolved at the latest. */
  begin(size: number, into: { sha256: string }): void {
    this.#left = size;
    this.#waiting.push(into);
  }

  /** Copies `piece`. May wait for the thread. Throws `ArchiveError` ARCHIVE_IO when that does not go on. */
  update(piece: Buffer): void {
    const { parts } = this.#shared;
    for (let at = 0; at < piece.length;) {
      this.#makeRoom();
      const part = piece.subarray(at, at + SLOT_BYTES - this.#bytes);
      part.copy(this.#content, this.#slot * SLOT_BYTES + this.#bytes);
      at += part.length;
      this.#left -= part.length;
      this.#bytes += part.length;
      this.#parts += 1;
      const ends = this.#left === 0 ? 1 : 0;
      parts[this.#slot * (SLOT_PARTS + 1) + this.#parts] = part.length * 2 + ends;
    }
  }

  /** Everything that came whole has its digest. Throws `ArchiveError` ARCHIVE_IO when the thread does not go on. */
  async finish(): Promise<void> {
    if (this.#parts > 0) this.#submit();
    while (this.#take() < this.#submitted) {
      const next = Atomics.waitAsync(this.#shared.done, 0, this.#taken, PATIENCE_MS);
      const result = await Promise.race([next.value, this.#ended]);
      if (result !== 'ok' && result !== 'not-equal') throw stuck(result);
    }
  }

  /** Ends the thread, whatever it does. */
  close(): void {
    void this.#worker.terminate();
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

  /** The slot that is being filled has room for at least one byte after this. */
  #makeRoom(): void {
    if (this.#bytes === SLOT_BYTES || this.#parts === SLOT_PARTS) this.#submit();
    while (this.#slotsFree() === 0) {
      const result = Atomics.wait(this.#shared.done, 0, this.#taken, PATIENCE_MS);
      if (result === 'timed-out') throw stuck(result);
    }
  }

  #submit(): void {
    const { submitted, parts } = this.#shared;
    parts[this.#slot * (SLOT_PARTS + 1)] = this.#parts;
    this.#bytes = 0;
    this.#parts = 0;
    Atomics.add(submitted, 0, 1);
    Atomics.notify(submitted, 0);
  }

  /** Takes the digests of what was hashed. Returns how many slots that was since the start. */
  #take(): number {
    const { parts, digests } = this.#shared;
    const done = Atomics.load(this.#shared.done, 0);
    for (; this.#taken < done; this.#taken += 1) {
      const slot = this.#taken % SLOTS;
      const first = slot * (SLOT_PARTS + 1);
      let at = slot * SLOT_PARTS * DIGEST_BYTES;
      for (let index = 1; index <= (parts[first] ?? 0); index += 1) {
        if ((parts[first + index] ?? 0) % 2 === 0) continue;
        const into = this.#waiting.shift();
        if (into !== undefined)
          into.sha256 = Buffer.from(digests.buffer, at, DIGEST_BYTES).toString('hex');
        at += DIGEST_BYTES;
      }
    }
    return done;
  }
}

function stuck(cause: unknown): ArchiveError {
  return new ArchiveError('ARCHIVE_IO', 'the thread that hashes does not go on', {
    hint: 'run the command again; if it stays so, look whether memory or threads are limited',
    cause,
  });
}
