/** What is tried again, how often and when. */
import { describe, expect, it } from 'vitest';
import { countRequests, giteaScene } from '../harness/gitea-scene.ts';
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

describe('a server that asks to be left alone', () => {
  /** Asks the server for its index branch; how often it was asked, how long it took, and what came of it. */
  async function look(headers: Record<string, string>, status = 429) {
    const { server, writer } = await giteaScene('north', { autoInit: true });
    server.rules.push({
      path: /api.v1.user$/,
      times: 1,
      fault: { kind: 'status', status, headers },
    });
    const started = performance.now();
    const error = await writer.checkWritable({}).then(
      () => undefined,
      (reason: unknown) => reason as MirrorError,
    );
    const asked = countRequests(server, 'GET', /api.v1.user$/);
    return { asked, error, ms: performance.now() - started };
  }

  it.each([
    [429, { 'retry-after': '1' }],
    [503, { 'retry-after': '1' }],
    [
      429,
      { date: 'Sat, 21 Nov 2020 10:00:00 GMT', 'retry-after': 'Sat, 21 Nov 2020 10:00:01 GMT' },
    ],
  ])('with %i is left alone for so long, and then asked again (%o)', async (status, headers) => {
    const { asked, error, ms } = await look(headers, status);
    expect([asked, error]).toEqual([2, undefined]);
    expect(ms).toBeGreaterThanOrEqual(1000);
  });

  it.each([[{ 'retry-after': 'soon' }], [{ 'retry-after': '-5' }], [{}]])(
    'and does not say how long is asked again as any other (%o)',
    async (headers) => {
      const { asked, error, ms } = await look(headers);
      expect([asked, error]).toEqual([2, undefined]);
      expect(ms).toBeLessThan(1000);
    },
  );

  it('for longer than is reasonable is given up, with the words', async () => {
    const { asked, error } = await look({ 'retry-after': '7200' });
    expect(asked).toBe(1);
    expect(error?.message).toContain('wants fewer requests and asks to wait 2 h (429)');
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
