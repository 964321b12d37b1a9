/**
 * A limit on the bytes a second that are read from mirrors, all of them
 * together: a token bucket that holds one second's worth. A mirror that is
 * read through it is a mirror like any other.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { timerMs } from '@landfall/cli';
import type { ArtifactStream, Mirror, ReadOptions } from './mirror.ts';

/** The bucket that readers and senders share; `take` throws the reason of `signal`. */
export class Bandwidth {
  readonly bytesPerSecond: number;
  #tokens: number;
  #filledAt = performance.now();

  constructor(bytesPerSecond: number) {
    this.bytesPerSecond = bytesPerSecond;
    this.#tokens = bytesPerSecond;
  }

  /**
   * Takes `bytes` out of the bucket and waits until they are paid for. Debts
   * are taken in the order of the calls, so readers share what there is.
   */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    const now = performance.now();
    const earned = ((now - this.#filledAt) * this.bytesPerSecond) / 1000;
    this.#tokens = Math.min(this.bytesPerSecond, this.#tokens + earned) - bytes;
    this.#filledAt = now;
    if (this.#tokens >= 0) return;
    const ms = (-this.#tokens / this.bytesPerSecond) * 1000;
    await sleep(timerMs(ms), undefined, signal ? { signal } : {}).catch(() =>
      signal?.throwIfAborted(),
    );
  }
}

/** `2M`, `500K`, `2MB/s`, `1500000`: bytes a second, K being 1024. Undefined for anything else. */
export function parseBandwidth(text: string): number | undefined {
  const match = /^(\d{1,12})([KMG])?(?:i?B)?(?:\/s)?$/i.exec(text);
  if (match === null) return undefined;
  const power = ' KMG'.indexOf((match[2] ?? ' ').toUpperCase());
  const bytes = Number(match[1]) * 1024 ** power;
  return bytes > 0 && Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** `mirror` with its artifacts read through `bandwidth`. Deadlines are put off by what the limit costs. */
export function throttled(mirror: Mirror, bandwidth: Bandwidth): Mirror {
  return {
    name: mirror.name,
    kind: mirror.kind,
    address: mirror.address,
    readIndex: (path, options) => mirror.readIndex(path, options),
    statArtifact: (version, file, options) => mirror.statArtifact(version, file, options),
    openArtifact: async (version, file, options) => {
      // Four times: so many readers may share the bucket, and none knows of the others.
      const cost = (options.maxBytes / bandwidth.bytesPerSecond) * 4000;
      const stream = await mirror.openArtifact(version, file, {
        ...options,
        deadlineMs: options.deadlineMs + cost,
      });
      return stream === undefined ? undefined : slowed(stream, bandwidth, options);
    },
  };
}

function slowed(
  stream: ArtifactStream,
  bandwidth: Bandwidth,
  { signal }: ReadOptions,
): ArtifactStream {
  const { body } = stream;
  return {
    size: stream.size,
    start: stream.start,
    body: {
      [Symbol.asyncIterator]() {
        return this;
      },
      async next() {
        const step = await body.next();
        if (step.done !== true) await bandwidth.take(step.value.length, signal);
        return step;
      },
      async return() {
        return (await body.return?.()) ?? { done: true, value: undefined };
      },
    },
  };
}
