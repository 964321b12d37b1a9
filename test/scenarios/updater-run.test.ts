/**
 * `updater run` and the processes that make its rounds: what the one does when
 * the other is told to stop, or dies, and how small it is in between.
 */
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { acquireLock, readLock } from '@landfall/durable';
import { describe, expect, it, onTestFinished } from 'vitest';
import { launcherOf, type Running, startCommand } from '../harness/command.ts';
import type { TestNode } from '../harness/node.ts';
import { temporaryFolder } from '../harness/temporary.ts';
import { makeWorld, type World } from '../harness/world.ts';
import { ROUND_FLAG } from '../../updater/program.ts';
import { REPORT_FD } from '../../updater/round-apart.ts';

const OFTEN = { tables: ['[run]', 'interval = "50ms"', 'jitter = "0s"'] };

function start(node: TestNode, launcher?: string): Running {
  const run = startCommand('updater', ['run', '--config', node.config], {
    ...(launcher === undefined ? {} : { launcher }),
  });
  onTestFinished(() => void run.child.kill('SIGKILL'));
  return run;
}

async function until(run: Running, seen: () => boolean): Promise<void> {
  for (let tries = 0; !seen(); tries += 1) {
    if (tries > 1200) throw new Error(`never seen: ${run.output().stderr}`);
    await sleep(25);
  }
}

const told = (run: Running, words: string): number => run.output().stderr.split(words).length - 1;

/** `run` on a node of 1.0.0, in the middle of a round that waits for 1.1.0's verdict. */
async function inTheMiddle(): Promise<World & { run: Running; round: number; mend: () => void }> {
  const world = await makeWorld({ ...OFTEN, probe: { window: '60s' } });
  const { node, ship } = world;
  await ship('1.0.0');
  const run = start(node);
  await until(run, () => told(run, 'next check') > 0);
  node.web.fault = ({ target }) => (target.includes('/1.1.0-') ? { status: 503 } : undefined);
  await ship('1.1.0');
  const phase = (): unknown => (node.read('pending-verification.json') as never)?.['phase'];
  await until(run, () => phase() === 'restarted');
  const round = readLock(join(node.state, 'lock'))?.pid ?? 0;
  expect(round).not.toBe(run.child.pid);
  return { ...world, run, round, mend: () => (node.web.fault = () => undefined) };
}

function residentKb(pid: number | undefined): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

describe('run', () => {
  it('tells that a round was killed, and the next one settles what it left', async () => {
    const { node, run, round, mend } = await inTheMiddle();
    process.kill(round, 'SIGKILL');
    await until(run, () => told(run, 'error: the process of this round ended with SIGKILL') === 1);
    mend();
    await until(run, () => node.stateName() === 'committed' && !node.hasMarker());
    expect(node.page()).toContain('version 1.1.0');
    expect(told(run, 'an earlier run stopped at 1.1.0')).toBe(1);
    run.child.kill();
    expect((await run.done).code).toBe(0);
  });

  it('told to stop, passes it on, and ends when the round has', async () => {
    const { node, run, mend } = await inTheMiddle();
    run.child.kill('SIGTERM');
    const outcome = await run.done;
    expect(outcome.code).toBe(0);
    expect(outcome.stderr).toMatch(/stopped before it was done\n.*hint: .*\nstopped, as told\n$/);
    expect(readLock(join(node.state, 'lock'))).toBeUndefined();
    expect(node.read('pending-verification.json')).toMatchObject({ phase: 'restarted' });
    mend();
    expect((await node.updater(['verify'])).code).toBe(0);
    expect(node.page()).toContain('version 1.1.0');
  });

  it('killed, leaves a round that goes on to its end', async () => {
    const { node, run, round, mend } = await inTheMiddle();
    run.child.kill('SIGKILL');
    await expect.poll(() => run.child.signalCode).toBe('SIGKILL');
    expect((await node.updater(['once'])).stderr).toContain(`is held by process ${round} (run)`);
    mend();
    await until(run, () => readLock(join(node.state, 'lock')) === undefined);
    expect(node.stateName()).toBe('committed');
    expect(node.page()).toContain('version 1.1.0');
    expect((await run.done).signal).toBe('SIGKILL');
  });

  it('waits in little more memory than Node itself', async () => {
    const { node, ship } = await makeWorld();
    await ship('1.0.0');
    const run = start(node);
    const bare = spawn(process.execPath, ['-e', 'console.log(); setTimeout(() => {}, 1e9)']);
    onTestFinished(() => void bare.kill('SIGKILL'));
    const isUp = new Promise((resolve) => bare.stdout.once('data', resolve));
    await until(run, () => told(run, 'next check') > 0);
    await until(run, () => readLock(join(node.state, 'lock')) === undefined);
    await isUp;
    expect(residentKb(run.child.pid) / residentKb(bare.pid)).toBeLessThan(1.6);
    run.child.kill();
    expect((await run.done).code).toBe(0);
  });
});

it('a round that another updater keeps from looking looks again soon, whatever the interval', async () => {
  const { node, ship } = await makeWorld({ tables: ['[run]', 'interval = "1d"'] });
  await ship('1.0.0');
  const due = async (): Promise<{ checkIn: number; error?: { code: string } }> => {
    const args = [ROUND_FLAG, 'due', `--config=${node.config}`];
    const stdio = ['ignore', 'ignore', 'ignore', 'pipe'] as const;
    const round = spawn(launcherOf('updater'), args, { stdio: [...stdio] });
    const lines = (await text(round.stdio[REPORT_FD] as Readable)).trimEnd().split('\n');
    return JSON.parse(lines.at(-1) ?? '') as Awaited<ReturnType<typeof due>>;
  };
  const lock = acquireLock(join(node.state, 'lock'), 'verify');
  const busy = await due();
  lock.release();
  expect(busy).toMatchObject({ error: { code: 'LOCKED' } });
  expect(busy.checkIn).toBeLessThanOrEqual(600_000);
  expect((await due()).checkIn).toBeGreaterThanOrEqual(86_400_000);
  expect(node.page()).toContain('version 1.0.0');
});

describe('run ends, for its service manager to decide', () => {
  it('when its configuration cannot be read at the start; later it goes on with what it has told', async () => {
    const { node, ship } = await makeWorld(OFTEN);
    await ship('1.0.0');
    const good = readFileSync(node.config, 'utf8');
    writeFileSync(node.config, 'nonsense = 1\n');
    const refused = await node.updater(['run']);
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).toMatch(/^error: .*updater\.toml.*\n {2}hint: /);
    expect(await node.json(['run'])).toMatchObject({ error: { code: 'CONFIG' } });
    expect((await node.updater(['run', 'more'])).code).toBe(2);

    writeFileSync(node.config, good);
    const run = start(node);
    await until(run, () => told(run, 'next check') > 0);
    writeFileSync(node.config, 'nonsense = 1\n');
    await until(run, () => told(run, 'updater.toml') > 1);
    writeFileSync(node.config, good);
    const before = told(run, 'next check');
    await until(run, () => told(run, 'next check') > before);
    run.child.kill();
    expect((await run.done).code).toBe(0);
  });

  it('when its first round dies', async () => {
    const { node, ship } = await makeWorld();
    await ship('1.0.0');
    const outcome = await node.updater(['run'], { env: { LANDFALL_CRASH_AT: 'did-switch' } });
    expect(outcome).toMatchObject({ code: 1, signal: null });
    expect(outcome.stderr).toMatch(/error: the process of this round ended with SIGKILL\n.*hint/);
    expect(node.hasMarker()).toBe(true);
  });

  it.each([
    ['was replaced', 0, 'the program was replaced by version 9.9.9: ending, so that it is started'],
    ['is gone', 1, 'error: the process of this round ended with exit code 1'],
  ])('when the program %s', async (what, code, words) => {
    const { node, ship } = await makeWorld(OFTEN);
    await ship('1.0.0');
    const folder = join(temporaryFolder(), 'copy');
    cpSync(join(launcherOf('updater'), '../../..'), folder, { recursive: true });
    const run = start(node, join(folder, 'updater/bin/updater'));
    await until(run, () => told(run, 'next check') > 0);
    for (const name of readdirSync(folder).filter((each) => each.endsWith('.cjs'))) {
      const file = join(folder, name);
      if (what === 'is gone') rmSync(file);
      else writeFileSync(file, readFileSync(file, 'utf8').replaceAll('"0.1.0"', '"9.9.9"'));
    }
    const outcome = await run.done;
    expect(outcome.stderr).toContain(words);
    expect(outcome.code).toBe(code);
  });
});
