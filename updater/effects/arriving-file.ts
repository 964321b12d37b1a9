/**
 * A file that is read while the rest of it is being downloaded: how much of it is here
 * and right, and a descriptor of the reader's own, so that no end of the download
 * closes it in the middle.
 */
import { constants, openSync } from 'node:fs';
import type { Arrival } from '@landfall/archive';

/**
 * One download: who downloads calls `reach` and `fail`, who reads awaits `opened` and `until`. What
 * is awaited in vain rejects with the reason that `fail` was given.
 */
export class ArrivingFile implements Arrival {
  readonly size: number;
  here = 0;
  readonly #opened = Promise.withResolvers<number>();
  #isOpen = false;
  #changed = Promise.withResolvers<void>();
  #failure: { reason: unknown } | undefined;

  /** `size`: the bytes that it will have. */
  constructor(size: number) {
    this.size = size;
    // Nobody may wait for it when it fails.
    this.#opened.promise.catch(() => {});
  }

  /** Resolves to a descriptor to read from, which the caller closes, when there is something. Rejects when there never will be. */
  get opened(): Promise<number> {
    return this.#opened.promise;
  }

  /** So many bytes from its start, behind `fd`, are right. Throws what keeps it from being opened. */
  reach(bytes: number, fd: number): void {
    // Of an empty file nothing is all of it.
    if (bytes === 0 && this.size > 0) return;
    if (!this.#isOpen) {
      this.#opened.resolve(openSync(`/proc/self/fd/${fd}`, constants.O_RDONLY));
      this.#isOpen = true;
    }
    this.here = Math.max(this.here, bytes);
    this.#wake();
  }

  /** No more of it will come. */
  fail(reason: unknown): void {
    this.#failure ??= { reason };
    this.#opened.reject(reason);
    this.#wake();
  }

  async until(bytes: number): Promise<void> {
    while (this.here < bytes) {
      if (this.#failure !== undefined) throw this.#failure.reason;
      await this.#changed.promise;
    }
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
