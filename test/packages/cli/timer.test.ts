/** Waits that are longer than a timer takes, which would end at once: of configured durations, and of large files. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { MAX_TIMER_MS, timerMs } from '@landfall/cli';
import { describe, expect, it, onTestFinished } from 'vitest';
import { boundedBody, collect, ReadGuard } from '../../../mirrors/bounded.ts';
import { getBounded } from '../../../updater/probe/request.ts';
import { runBounded } from '../../../updater/services/bounded-command.ts';
import { runProgram } from '../../../updater/services/command.ts';

const MONTH_MS = 30 * 86_400_000;
const PROGRAM = ['sleep', '0.1'];

async function* slowly(): AsyncGenerator<Uint8Array> {
  await sleep(50);
  yield Buffer.alloc(100);
}

describe('a bound of a month', () => {
  it('is as much as a timer takes', () => {
    expect(MONTH_MS).toBeGreaterThan(MAX_TIMER_MS);
    expect([5, MAX_TIMER_MS, MONTH_MS, Infinity].map(timerMs)).toEqual([
      5,
      MAX_TIMER_MS,
      MAX_TIMER_MS,
      MAX_TIMER_MS,
    ]);
  });

  it('lets a large artifact be read', async () => {
    const guard = new ReadGuard('north', 'x', { maxBytes: 3e9, deadlineMs: MONTH_MS });
    const body = boundedBody(guard, slowly(), (error) => error);
    expect(await collect(body)).toHaveLength(100);
  });

  it('lets a program of the operator run', async () => {
    expect(await runBounded(PROGRAM, { timeoutMs: MONTH_MS })).toStrictEqual({ output: '' });
    const limits = { timeoutMs: MONTH_MS, output: 'ignore' } as const;
    expect(await runProgram(PROGRAM, limits)).toBeUndefined();
  });

  it('lets a server answer a probe', async () => {
    const server = createServer((_, response) => void setTimeout(() => response.end('here'), 50));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    const limits = { maxBytes: 100, timeoutMs: MONTH_MS, signal: new AbortController().signal };
    const answer = await getBounded({ url, host: undefined, tls: 'system' }, limits);
    expect(answer).toMatchObject({ status: 200 });
  });
});
