/**
 * The bounds of one read: bytes, total time, minimum rate. A source that
 * breaks one is abandoned at once, whether it honours an abort signal or not
 * (a folder on a dead network share does not).
 */
import { formatBytes, formatDuration, timerMs } from '@landfall/cli';
import { MirrorError } from './errors.ts';
import type { ReadOptions } from './mirror.ts';
import { Pieces } from './pieces.ts';

const DEFAULT_RATE_WINDOW_MS = 10_000;
/** A window that ends so late ends late because this process was at something else, like a slow disk. */
const OWN_DELAY_MS = 1000;

/** Watches one read. Make it before the first step and `close` it after the last. */
export class ReadGuard {
  readonly #mirror: string;
  readonly #what: string;
  readonly #limits: ReadOptions;
  readonly #controller = new AbortController();
  readonly #deadline: NodeJS.Timeout;
  readonly #onAbort = (): void => this.#fail(this.#limits.signal?.reason);
  readonly #sending: boolean;
  #total = 0;
  #sent = 0;
  #failed = false;
  #failure: unknown;
  #reject: ((error: unknown) => void) | undefined;
  #windowTimer: NodeJS.Timeout | undefined;
  #windowBytes = 0;
  #windowMs = 0;
  #waitingSince = 0;

  /**
   * `what` is the subject of messages: `releases/manifest.json`. With
   * `sending`, the bytes that matter are those that go out.
   */
  constructor(mirror: string, what: string, limits: ReadOptions, sending = false) {
    this.#mirror = mirror;
    this.#what = what;
    this.#limits = limits;
    this.#sending = sending;
    this.#deadline = setTimeout(() => this.#fail(this.#timeout()), timerMs(limits.deadlineMs));
    if (limits.signal?.aborted === true) this.#onAbort();
    else limits.signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Aborted when a bound is broken; for sources that can be told. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Bytes counted so far. */
  get total(): number {
    return this.#total;
  }

  /** Awaits one step of the source. Rejects as soon as a bound is broken, whatever the step does. */
  async wait<T>(step: Promise<T>): Promise<T> {
    try {
      return await new Promise<T>((resolve, reject) => {
        step.then(resolve, reject);
        if (this.#failed) reject(this.#failure);
        this.#reject = reject;
        this.#waitingSince = performance.now();
        this.#armWindow();
      });
    } catch (error) {
      throw this.#failed ? this.#failure : error;
    } finally {
      this.#reject = undefined;
      clearTimeout(this.#windowTimer);
      this.#windowMs += performance.now() - this.#waitingSince;
    }
  }

  /** Counts bytes that came in. Throws `MirrorError` TOO_LARGE past `maxBytes`. */
  count(bytes: number): void {
    this.#total += bytes;
    this.#windowBytes += bytes;
    if (this.#total <= this.#limits.maxBytes) return;
    this.#fail(tooLarge(this.#mirror, this.#what, this.#limits.maxBytes));
    throw this.#failure;
  }

  /** Counts bytes that went out: they keep up the rate of a request that sends. */
  countSent(bytes: number): void {
    this.#sent += bytes;
    this.#windowBytes += bytes;
  }

  /** Ends the watch and tells the source to stop. */
  close(): void {
    clearTimeout(this.#deadline);
    clearTimeout(this.#windowTimer);
    this.#limits.signal?.removeEventListener('abort', this.#onAbort);
    if (!this.#controller.signal.aborted) this.#controller.abort();
  }

  #armWindow(): void {
    if (!this.#limits.minRate) return;
    const windowMs = this.#limits.rateWindowMs ?? DEFAULT_RATE_WINDOW_MS;
    const left = Math.max(0, windowMs - this.#windowMs);
    const due = performance.now() + left;
    this.#windowTimer = setTimeout(() => this.#endWindow(windowMs, due), left);
  }

  #endWindow(windowMs: number, due: number): void {
    const needed = ((this.#limits.minRate ?? 0) * windowMs) / 1000;
    // What came while nobody looked is not counted yet: that window says nothing of the source.
    const isOurs = performance.now() - due > OWN_DELAY_MS;
    if (!isOurs && this.#windowBytes < needed) return this.#fail(this.#tooSlow(windowMs));
    this.#windowBytes = 0;
    this.#windowMs = 0;
    this.#waitingSince = performance.now();
    this.#armWindow();
  }

  #fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#failure = error;
    this.#controller.abort(error);
    this.#reject?.(error);
  }

  #timeout(): MirrorError {
    const after = formatDuration(this.#limits.deadlineMs);
    const what = this.#sending
      ? `was not sent within ${after}, only ${formatBytes(this.#sent)} went out`
      : `was not read within ${after}, only ${formatBytes(this.#total)} came`;
    return this.#slow('TIMEOUT', what);
  }

  #tooSlow(windowMs: number): MirrorError {
    const expected = formatBytes(this.#limits.minRate ?? 0);
    const found = formatBytes(Math.round((this.#windowBytes * 1000) / windowMs));
    return this.#slow(
      'TOO_SLOW',
      `${this.#sending ? 'went out' : 'came'} too slowly: expected at least ${expected}/s, found ${found}/s over ${formatDuration(windowMs)}`,
    );
  }

  #slow(code: 'TIMEOUT' | 'TOO_SLOW', what: string): MirrorError {
    const left = this.#sending ? ": left to 'mirrors sync'" : '';
    return new MirrorError(code, this.#mirror, `'${this.#what}' ${what}${left}`, {
      hint: this.#sending
        ? `the mirror or the way to it is too slow; 'mirrors sync --to ${this.#mirror}' completes it later`
        : 'the mirror or the way to it is too slow; another mirror serves the same',
    });
  }
}

/** The error of a source with more than `maxBytes` bytes. */
export function tooLarge(mirror: string, what: string, maxBytes: number): MirrorError {
  return new MirrorError(
    'TOO_LARGE',
    mirror,
    `'${what}' is too large: expected at most ${maxBytes} bytes, found more`,
    {
      hint: 'the mirror serves something else under this name; do not trust it before it is looked at',
    },
  );
}

/**
 * `source` under `guard`, whose watch ends with it. Errors of the source go
 * through `translate`. Ending it early frees the source, even before it began.
 */
export function boundedBody(
  guard: ReadGuard,
  source: AsyncIterable<Uint8Array>,
  translate: (error: unknown) => unknown,
): AsyncIterableIterator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  let ended = false;
  const end = (): void => {
    ended = true;
    guard.close();
    // Not awaited: a source that hangs would hang here too.
    iterator.return?.().then(undefined, () => undefined);
  };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      if (ended) return { done: true, value: undefined };
      try {
        const step = await guard.wait(iterator.next());
        if (step.done === true) {
          end();
          return { done: true, value: undefined };
        }
        guard.count(step.value.length);
        return { done: false, value: step.value };
      } catch (error) {
        end();
        throw translate(error);
      }
    },
    return() {
      end();
      return Promise.resolve({ done: true, value: undefined });
    },
  };
}

/** All bytes of a body that is already bounded. */
export async function collect(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces = new Pieces();
  for await (const chunk of body) pieces.add(chunk);
  return Buffer.concat(pieces.take());
}
