/**
 * How artifacts travel to one Gitea server: so many at once, so fast, so long
 * at most. A server that is too slow is given up with words that name what
 * completes it later; it never holds up more than itself.
 */
import { formatDuration, timerMs } from '@landfall/cli';
import { toMs, toRate, type UploadConfig } from './config.ts';
import { MirrorError } from './errors.ts';
import type { UploadBounds } from './gitea-api.ts';
import { type AssetTarget, settleAsset } from './gitea-assets.ts';
import type { UploadOptions } from './mirror.ts';
import { retrying, type RetryPolicy } from './retry.ts';
import { Bandwidth } from './throttle.ts';

const CONCURRENCY = 2;
const MIN_RATE = 4 * 1024;
/** Over so long the rate is measured; in it the server must also answer once it has everything. */
const WINDOW_MS = 120_000;
const GRACE_MS = 10 * 60_000;
/** So many mirrors at most are expected to share a pacer. */
const SHARERS = 32;

/** The uploads to one server, which share turns and a rate. TOO_SLOW when one's time is over. */
export class GiteaUploads {
  /** Uploads that run at the same time; further ones wait for their turn. */
  readonly concurrency: number;
  readonly #mirror: string;
  readonly #minRate: number;
  readonly #deadlineMs: number | undefined;
  readonly #policy: RetryPolicy;
  readonly #bandwidth: Bandwidth | undefined;
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(mirror: string, config: UploadConfig, policy: RetryPolicy) {
    this.#mirror = mirror;
    const { rate, minRate = MIN_RATE, deadline, concurrency = CONCURRENCY } = config;
    const bytesPerSecond = rate === undefined ? undefined : toRate(rate);
    // A bound that our own rate would break is none.
    this.#minRate = Math.min(
      toRate(minRate) ?? MIN_RATE,
      Math.ceil((bytesPerSecond ?? Infinity) / 2),
    );
    this.#deadlineMs = deadline === undefined ? undefined : toMs(deadline);
    this.#policy = policy;
    this.#bandwidth = bytesPerSecond === undefined ? undefined : new Bandwidth(bytesPerSecond);
    this.concurrency = concurrency;
    this.#free = concurrency;
  }

  /** `settleAsset`, tried again while that may help, when it is this file's turn. */
  async settle(target: AssetTarget, path: string, options: UploadOptions): Promise<void> {
    await this.#turn();
    try {
      options.signal?.throwIfAborted();
      await this.#withinDeadline(target, path, options);
    } finally {
      this.#free += 1;
      this.#waiting.shift()?.();
    }
  }

  async #turn(): Promise<void> {
    while (this.#free === 0) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
    this.#free -= 1;
  }

  async #withinDeadline(target: AssetTarget, path: string, options: UploadOptions): Promise<void> {
    const bounds = this.#boundsFor(options);
    const controller = new AbortController();
    const late = this.#late(target.file, bounds.deadlineMs);
    const timer = setTimeout(() => controller.abort(late), timerMs(bounds.deadlineMs));
    const signals = [controller.signal, ...(options.signal === undefined ? [] : [options.signal])];
    const signal = AbortSignal.any(signals);
    const sending = { bounds, bandwidth: this.#bandwidth };
    try {
      await retrying(
        () => settleAsset(target, path, { ...options, signal }, sending),
        this.#policy,
        signal,
      );
    } finally {
      clearTimeout(timer);
    }
  }

  #boundsFor({ size, pacer }: UploadOptions): UploadBounds {
    // A pacer is shared by an unknown number of mirrors: what it costs is not theirs to answer for.
    const paced = pacer === undefined ? Infinity : Math.ceil(pacer.bytesPerSecond / SHARERS);
    const minRate = Math.min(this.#minRate, paced);
    const deadlineMs = this.#deadlineMs ?? GRACE_MS + (size / minRate) * 1000;
    return {
      deadlineMs,
      minRate,
      rateWindowMs: Math.min(WINDOW_MS, deadlineMs / 4),
    };
  }

  #late(file: string, deadlineMs: number): MirrorError {
    return new MirrorError(
      'TOO_SLOW',
      this.#mirror,
      `'${file}' was not there within ${formatDuration(deadlineMs)}: left to 'mirrors sync'`,
      {
        hint: `'mirrors sync --to ${this.#mirror}' completes it; 'upload.deadline' of the mirror's configuration gives it more time`,
      },
    );
  }
}
