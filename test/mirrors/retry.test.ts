/** What is tried again, how often and when. */
import { describe, expect, it } from 'vitest';
import { MirrorError } from '../../mirrors/errors.ts';
import { delayAfter, isTransient, retrying } from '../../mirrors/retry.ts';

const failure = (status?: number): MirrorError =>
  new MirrorError('BAD_ANSWER', 'north', 'no', status === undefined ? {} : { status });

describe('what may pass by itself', () => {
  it.each([408, 425, 429, 500, 502, 503, 504, 520])('is a %i', (status) => {
    expect(isTransient(failure(status))).toBe(true);
  });

  it.each([302, 400, 401, 403, 404, 409, 413, 422, 501, 505, 507])('is not a %i', (status) => {
    expect(isTransient(failure(status))).toBe(false);
  });

  it.each([
    ['UNREACHABLE', true],
    ['TIMEOUT', true],
    ['TOO_SLOW', false],
    ['BAD_ANSWER', false],
    ['DIVERGED', false],
    ['CONFIG', false],
  ] as const)('is %s: %s', (code, expected) => {
    expect(isTransient(new MirrorError(code, 'north', 'no'))).toBe(expected);
  });

  it('is nothing of our own', () => expect(isTransient(new Error('no'))).toBe(false));
});

describe('the wait', () => {
  it('is anything from nothing to a bound that doubles, up to half a minute', () => {
    const bounds = [1, 2, 3, 4, 10].map((attempt) =>
      delayAfter(attempt, { firstDelayMs: 500, random: () => 1 }),
    );
    expect(bounds).toEqual([500, 1000, 2000, 4000, 30_000]);
    expect(delayAfter(5, { random: () => 0 })).toBe(0);
    expect(delayAfter(1, { firstDelayMs: 500, random: () => 0.5 })).toBe(250);
  });
});

describe('work', () => {
  const policy = { firstDelayMs: 1, attempts: 3 };

  /** Fails so often, then returns how often it was called. */
  function failing(
    times: number,
    error: Error,
  ): { work: () => Promise<number>; calls: () => number } {
    let calls = 0;
    const work = async (): Promise<number> => {
      calls += 1;
      if (calls <= times) throw error;
      return calls;
    };
    return { work, calls: () => calls };
  }

  it('is done until it succeeds', async () => {
    expect(await retrying(failing(2, failure(502)).work, policy)).toBe(3);
  });

  it('is given up after its attempts, with the last error', async () => {
    const error = failure(502);
    const { work, calls } = failing(9, error);
    await expect(retrying(work, policy)).rejects.toBe(error);
    expect(calls()).toBe(3);
  });

  it('is done once when it fails for good', async () => {
    const { work, calls } = failing(9, failure(403));
    await expect(retrying(work, policy)).rejects.toThrow('no');
    expect(calls()).toBe(1);
  });

  it('stops waiting when it is told to, with the reason', async () => {
    const reason = new Error('enough');
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 20);
    const { work, calls } = failing(9, failure(502));
    const waits = { firstDelayMs: 60_000, random: () => 1 };
    await expect(retrying(work, waits, controller.signal)).rejects.toBe(reason);
    expect(calls()).toBe(1);
  });
});
