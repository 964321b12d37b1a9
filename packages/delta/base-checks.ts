/**
 * Holds files of the base to their digests in a thread of its own, while the
 * caller goes on with the next: where there is much to read. It reads open
 * descriptors, and what it finds wrong is told at the end.
 *
 * The thread ends with `close`, and with the process.
 */
import { closeSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';
import { type ListingEntry, startThread } from '@landfall/archive';
import { DeltaError } from './errors.ts';

/** Bytes in all from which a thread is worth its start. */
const WORTH_BYTES = 32 * 1024 * 1024;
/** Files that are handed over at once, and such batches under way; all of them are open. */
const BATCH_FILES = 32;
const MOST_BATCHES = 6;

interface Check {
  fd: number;
  entry: ListingEntry;
}

export class BaseChecks {
  readonly #worker: Worker | undefined;
  /** It runs. */
  #isReady = false;
  #batch: Check[] = [];
  readonly #pending: Check[][] = [];
  #wrong: ListingEntry | undefined;
  #changed = nextChange();

  /** `bytes`: as many will be read in all. */
  constructor(bytes: number) {
    this.#worker = bytes < WORTH_BYTES ? undefined : startThread(hashFiles);
    this.#worker?.on('message', (digests: readonly string[] | 'ready') => {
      if (digests === 'ready') this.#isReady = true;
      else this.#take(digests);
      this.#changed.resolve();
      this.#changed = nextChange();
    });
    this.#worker?.once('error', (cause) => this.#changed.reject(ended(cause)));
    this.#worker?.once('exit', (code) => this.#changed.reject(ended(code)));
  }

  /**
   * Whether the file behind `fd`, which has the size of `entry`, is taken over: it is
   * read whole and closed then. False: it is the caller's to read.
   */
  take(fd: number, entry: ListingEntry): boolean {
    if (!this.#isReady) return false;
    this.#batch.push({ fd, entry });
    if (this.#batch.length === BATCH_FILES) this.#submit();
    return true;
  }

  /**
   * Until there is room for more; with `all`, until everything was read. Resolves to a file that
   * is not as listed. Throws `DeltaError` DELTA_IO when the thread has ended.
   */
  async settle(all = false): Promise<ListingEntry | undefined> {
    if (all && this.#batch.length > 0) this.#submit();
    while (this.#pending.length > (all ? 0 : MOST_BATCHES)) await this.#changed.promise;
    return this.#wrong;
  }

  /** Also after an error. */
  async close(): Promise<void> {
    await this.#worker?.terminate();
    for (const { fd } of [...this.#pending.flat(), ...this.#batch]) closeSync(fd);
  }

  #submit(): void {
    this.#worker?.postMessage(this.#batch.map(({ fd, entry }) => ({ fd, size: entry.size })));
    this.#pending.push(this.#batch);
    this.#batch = [];
  }

  #take(digests: readonly string[]): void {
    for (const [index, { fd, entry }] of (this.#pending.shift() ?? []).entries()) {
      closeSync(fd);
      if (digests[index] !== entry.sha256) this.#wrong ??= entry;
    }
  }
}

/** Nobody may wait for it when the thread ends. */
function nextChange(): PromiseWithResolvers<void> {
  const change = Promise.withResolvers<void>();
  change.promise.catch(() => {});
  return change;
}

function ended(cause: unknown): DeltaError {
  return new DeltaError('DELTA_IO', 'the thread that reads the base has ended', {
    hint: 'run the command again; if it stays so, look whether memory or threads are limited',
    cause,
  });
}

/** Runs in the thread. It may refer to nothing outside of it. Of what cannot be read it tells no digest. */
function hashFiles(): void {
  const { createHash, hash } = process.getBuiltinModule('node:crypto');
  const { readSync } = process.getBuiltinModule('node:fs');
  const { parentPort } = process.getBuiltinModule('node:worker_threads');
  const buffer = Buffer.allocUnsafeSlow(1024 * 1024);
  /** Up to `buffer.length` bytes; fewer only at the end. */
  const read = (fd: number, at: number): Buffer => {
    let length = 0;
    for (let count = 1; count > 0 && length < buffer.length; length += count) {
      count = readSync(fd, buffer, length, buffer.length - length, at + length);
    }
    return buffer.subarray(0, length);
  };
  const digestOf = (fd: number, size: number): string => {
    const first = read(fd, 0);
    if (first.length >= size) return hash('sha256', first, 'hex');
    const whole = createHash('sha256').update(first);
    for (let at = first.length; at < size;) {
      const piece = read(fd, at);
      if (piece.length === 0) return '';
      whole.update(piece);
      at += piece.length;
    }
    return whole.digest('hex');
  };
  parentPort?.on('message', (files: readonly { fd: number; size: number }[]) => {
    const digests = files.map(({ fd, size }) => {
      try {
        return digestOf(fd, size);
      } catch {
        return '';
      }
    });
    parentPort.postMessage(digests, []);
  });
  parentPort?.postMessage('ready', []);
}
