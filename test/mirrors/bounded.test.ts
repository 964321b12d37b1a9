/** The guard of one read: whom it blames, and when. */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { boundedBody, collect, ReadGuard } from '../../mirrors/bounded.ts';
import { errorOf } from '../harness/errors.ts';

const LIMITS = { maxBytes: 1000, deadlineMs: 5000 };

async function* source(chunks: number, waitMs = 0): AsyncGenerator<Uint8Array> {
  for (let count = 0; count < chunks; count += 1) {
    await sleep(waitMs);
    yield Buffer.alloc(100);
  }
}

const same = (error: unknown): unknown => error;

it('passes on what is within the bounds', async () => {
  const guard = new ReadGuard('north', 'x', LIMITS);
  expect(await collect(boundedBody(guard, source(10), same))).toHaveLength(1000);
});

it('gives up a source that never answers, though it cannot be told to stop', async () => {
  const guard = new ReadGuard('north', 'x', { ...LIMITS, deadlineMs: 100 });
  const never: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }),
  };
  const error = await errorOf(() => collect(boundedBody(guard, never, same)));
  expect(error.code).toBe('TIMEOUT');
  expect(error.message).toBe("mirror 'north': 'x' was not read within 100 ms, only 0 B came");
});

it('does not blame the source for a reader that takes its time', async () => {
  const limits = { ...LIMITS, minRate: 10_000, rateWindowMs: 40 };
  const body = boundedBody(new ReadGuard('north', 'x', limits), source(5), same);
  let read = 0;
  for await (const chunk of body) {
    read += chunk.length;
    await sleep(60);
  }
  expect(read).toBe(500);
});

it('blames a source that was fast once and then trickles', async () => {
  const limits = { ...LIMITS, maxBytes: 1e9, minRate: 100_000, rateWindowMs: 100 };
  const trickling = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(15_000);
    yield* source(1000, 20);
  };
  const guard = new ReadGuard('north', 'x', limits);
  const error = await errorOf(() => collect(boundedBody(guard, trickling(), same)));
  expect(error.code).toBe('TOO_SLOW');
  expect(guard.total).toBeGreaterThanOrEqual(15_000);
});

/** As a write to a slow disk does, or a frame with thousands of files. */
function keepBusy(ms: number): void {
  const started = performance.now();
  while (performance.now() - started < ms);
}

it('does not blame the source while this process is at something else, and does after that', async () => {
  const limits = { ...LIMITS, minRate: 1000, rateWindowMs: 100 };
  // Like what a socket tells of, it is there only after timers had their turn.
  const prompt = async function* (): AsyncGenerator<Uint8Array> {
    for (let turns = 0; turns < 3; turns += 1) await nextTurn();
    yield* source(2);
  };
  const body = boundedBody(new ReadGuard('north', 'x', limits), prompt(), same);
  const first = body.next();
  keepBusy(1300);
  expect(await first).toMatchObject({ done: false });
  expect(await body.next()).toMatchObject({ done: false });

  const silent: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }),
  };
  const read = errorOf(() =>
    collect(boundedBody(new ReadGuard('north', 'x', limits), silent, same)),
  );
  keepBusy(1300);
  expect((await read).code).toBe('TOO_SLOW');
});

it('counts what is sent as keeping up the rate', async () => {
  const limits = { ...LIMITS, minRate: 1000, rateWindowMs: 100 };
  const guard = new ReadGuard('north', 'x', limits);
  const upload = (async () => {
    for (let count = 0; count < 6; count += 1) {
      await sleep(50);
      guard.countSent(500);
    }
    return 'sent';
  })();
  expect(await guard.wait(upload)).toBe('sent');
  guard.close();
});

it('ends its source when the reader leaves', async () => {
  let ended = false;
  const watched = async function* (): AsyncGenerator<Uint8Array> {
    try {
      yield* source(10);
    } finally {
      ended = true;
    }
  };
  const guard = new ReadGuard('north', 'x', LIMITS);
  for await (const chunk of boundedBody(guard, watched(), same)) {
    expect(chunk).toHaveLength(100);
    break;
  }
  await sleep(0);
  expect(ended).toBe(true);
  expect(guard.signal.aborted).toBe(true);
});
