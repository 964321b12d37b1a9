/**
 * Holds files that were taken over from the base to their digests: in a thread of
 * its own while the caller goes on with the next, where there is much to read; and
 * here, what that has no room for. What is wrong is told at the end.
 *
 * The thread ends with `close`, and with the process.
 */
import type { Worker } from 'node:worker_threads';
import { type ListingEntry, startThread } from '@landfall/archive';
import { DeltaError } from './errors.ts';

/** Bytes in all from which a thread is worth its start. */
const WORTH_BYTES = 32 * 1024 * 1024;
/** What is handed over at once: so many files, or fewer with so many bytes. */
const BATCH_FILES = 64;
const BATCH_BYTES = 4 * 1024 * 1024;
/** Such batches under way. */
const MOST_BATCHES = 3;

/** A file that was taken over. */
export interface Taken {
  /** Opens it, in any thread of this process. */
  path: string;
  size: number;
  sha256: string;
  /** The file that it must be, as `stat` tells it; any unless told. */
  only?: { dev: number; ino: number };
}

interface Check {
  file: Taken;
  /** What is told when the file is wrong. */
  entry: ListingEntry;
}

/** Takes files with `add`; `settle` tells whether all were right, `close` ends the thread. */
export class BaseChecks {
  readonly #worker: Worker | undefined;
  #isReady = false;
  #batch: Check[] = [];
  #batchBytes = 0;
  readonly #pending: Check[][] = [];
  readonly #findWrong = fileChecker();
  #wrong: ListingEntry | undefined;
  #changed = nextChange();

  /** `bytes`: as many will be read in all, at most. */
  constructor(bytes: number) {
    const inThread = `(${serve.toString()})((${fileChecker.toString()})())`;
    this.#worker = bytes < WORTH_BYTES ? undefined : startThread(inThread);
    this.#worker?.on('message', (wrong: number | 'ready') => {
      if (wrong === 'ready') this.#isReady = true;
      else this.#note(this.#pending.shift(), wrong);
      this.#changed.resolve();
      this.#changed = nextChange();
    });
    this.#worker?.once('error', (cause) => this.#changed.reject(ended(cause)));
    this.#worker?.once('exit', (code) => this.#changed.reject(ended(code)));
  }

  /** `file` is read whole, some time before `settle` resolves, and `entry` told if it is wrong or cannot be read. */
  add(file: Taken, entry: ListingEntry): void {
    this.#batch.push({ file, entry });
    this.#batchBytes += file.size;
    if (this.#batch.length < BATCH_FILES && this.#batchBytes < BATCH_BYTES) return;
    this.#submit();
  }

  /** Whether the thread runs, by now. */
  get isApart(): boolean {
    return this.#isReady;
  }

  /** A file that was found to be wrong so far. */
  get wrong(): ListingEntry | undefined {
    return this.#wrong;
  }

  /** Until everything was read. Resolves to `wrong`. Throws `DeltaError` DELTA_IO when the thread has ended. */
  async settle(): Promise<ListingEntry | undefined> {
    if (this.#batch.length > 0) this.#submit();
    while (this.#pending.length > 0) await this.#changed.promise;
    return this.#wrong;
  }

  /** Also after an error. */
  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #submit(): void {
    const batch = this.#batch;
    this.#batch = [];
    this.#batchBytes = 0;
    const files = batch.map(({ file }) => file);
    if (this.#worker === undefined || !this.#isReady || this.#pending.length >= MOST_BATCHES) {
      this.#note(batch, this.#findWrong(files));
      return;
    }
    this.#worker.postMessage(files, []);
    this.#pending.push(batch);
  }

  #note(batch: readonly Check[] | undefined, wrong: number): void {
    this.#wrong ??= batch?.[wrong]?.entry;
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

/** Runs in the thread. It may refer to nothing outside of it. */
function serve(findWrong: (files: readonly Taken[]) => number): void {
  const { parentPort } = process.getBuiltinModule('node:worker_threads');
  parentPort?.on('message', (files: readonly Taken[]) => {
    parentPort.postMessage(findWrong(files), []);
  });
  parentPort?.postMessage('ready', []);
}

/**
 * Makes what finds the first file that is not as told, or cannot be read; -1: none.
 * Runs in the thread, too: it may refer to nothing outside of it.
 */
function fileChecker(): (files: readonly Taken[]) => number {
  const { createHash, hash } = process.getBuiltinModule('node:crypto');
  const fs = process.getBuiltinModule('node:fs');
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
  const buffer = Buffer.allocUnsafeSlow(1024 * 1024);
  /** What follows at `at`, up to `size`; shorter where the file is. */
  const read = (fd: number, at: number, size: number): Buffer => {
    const most = Math.min(buffer.length, size - at);
    let length = 0;
    for (let count = 1; count > 0 && length < most; length += count) {
      count = fs.readSync(fd, buffer, length, most - length, at + length);
    }
    return buffer.subarray(0, length);
  };
  const digestOf = (fd: number, size: number): string => {
    if (size <= buffer.length) return hash('sha256', read(fd, 0, size), 'hex');
    const whole = createHash('sha256');
    for (let at = 0; at < size;) {
      const piece = read(fd, at, size);
      if (piece.length === 0) return '';
      whole.update(piece);
      at += piece.length;
    }
    return whole.digest('hex');
  };
  const isAsTold = ({ path, size, sha256, only }: Taken): boolean => {
    const fd = fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      const stats = fs.fstatSync(fd);
      if (!stats.isFile() || stats.size !== size) return false;
      if (only !== undefined && (stats.dev !== only.dev || stats.ino !== only.ino)) return false;
      return digestOf(fd, size) === sha256;
    } finally {
      fs.closeSync(fd);
    }
  };
  return (files) =>
    files.findIndex((file) => {
      try {
        return !isAsTold(file);
      } catch {
        return true;
      }
    });
}
