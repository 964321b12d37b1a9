/** Processes told apart by more than their number, and programs that are bounded in time. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { readProgram, runProgram } from '../../../updater/services/command.ts';
import { identifyProcess, isGone, runsFile } from '../../../updater/services/process.ts';
import { temporaryFolder } from '../../harness/temporary.ts';

describe('a process', () => {
  it('is there until it is gone, also while it waits to be reaped', async () => {
    const child = spawn('sleep', ['600']);
    const pid = child.pid ?? 0;
    const id = identifyProcess(pid);
    if (id === undefined) throw new Error('no process');
    expect(isGone(id)).toBe(false);
    expect(isGone({ pid, start: '1' }), 'another one with its number').toBe(true);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(isGone(id)).toBe(true);
    expect(identifyProcess(pid)).toBeUndefined();
  });

  it('runs its own file, and not the one that stands at the same path now', async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'server');
    copyFileSync('/usr/bin/sleep', file);
    const child = spawn(file, ['600']);
    await once(child, 'spawn');
    const pid = child.pid ?? 0;
    expect(runsFile(pid, file)).toBe(true);
    expect(runsFile(pid, '/usr/bin/sleep')).toBe(false);
    renameSync(file, join(folder, 'old'));
    copyFileSync('/usr/bin/sleep', file);
    expect(runsFile(pid, file), 'the same path and bytes, another file').toBe(false);
    expect(runsFile(pid, join(folder, 'none'))).toBe(false);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(runsFile(pid, join(folder, 'old'))).toBe(false);
  });
});

describe('a file that two releases share', () => {
  it('is run for the one it was started from', async () => {
    const folder = temporaryFolder();
    const [before, after] = [join(folder, '1.0.0/server'), join(folder, '1.1.0/server')];
    for (const release of ['1.0.0', '1.1.0']) mkdirSync(join(folder, release));
    copyFileSync('/usr/bin/sleep', before);
    linkSync(before, after);
    const child = spawn(before, ['600']);
    await once(child, 'spawn');
    const pid = child.pid ?? 0;
    expect(runsFile(pid, before)).toBe(true);
    expect(runsFile(pid, after)).toBe(false);
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
});

describe('a program', () => {
  it('tells how it ended, and leaves its output in a file', async () => {
    const file = join(temporaryFolder(), 'output');
    const output = openSync(file, 'a');
    const run = (...argv: string[]): Promise<string | undefined> =>
      runProgram(argv, { timeoutMs: 5000, output });
    expect(await run('sh', '-c', 'echo out; echo err >&2')).toBeUndefined();
    expect(await run('sh', '-c', 'exit 7')).toBe("'sh -c exit 7' ended with 7");
    expect(await run('sh', '-c', 'kill -9 $$')).toContain('SIGKILL');
    expect(await run('/no/such/program')).toContain("cannot run '/no/such/program'");
    expect(await run('echo', '$HOME; no shell')).toBeUndefined();
    closeSync(output);
    expect(readFileSync(file, 'utf8')).toBe('out\nerr\n$HOME; no shell\n');
  });

  it('that hangs is ended with all that hangs on it', async () => {
    const file = join(temporaryFolder(), 'pid');
    const started = performance.now();
    const problem = await runProgram(['sh', '-c', `sleep 600 & echo $! > ${file}; wait`], {
      timeoutMs: 200,
      output: 'ignore',
    });
    expect(problem).toBe("'sh' was still running after 200 ms");
    expect(performance.now() - started).toBeLessThan(3000);
    await sleep(100);
    expect(identifyProcess(Number(readFileSync(file, 'utf8')))).toBeUndefined();
  });

  it('may leave a daemon behind that keeps its output open', async () => {
    const file = join(temporaryFolder(), 'pid');
    const started = performance.now();
    const problem = await runProgram(['sh', '-c', `sleep 600 & echo $! > ${file}`], {
      timeoutMs: 5000,
      output: 'ignore',
    });
    expect(problem).toBeUndefined();
    expect(performance.now() - started).toBeLessThan(3000);
    const pid = Number(readFileSync(file, 'utf8'));
    expect(identifyProcess(pid)).toBeDefined();
    process.kill(pid, 'SIGKILL');
  });

  it('is read, bounded in bytes and time', async () => {
    expect(await readProgram(['echo', ' 42 '], 5000)).toBe('42');
    expect(await readProgram(['false'], 5000)).toBeUndefined();
    expect(await readProgram(['/no/such/program'], 5000)).toBeUndefined();
    expect(await readProgram(['sleep', '600'], 100)).toBeUndefined();
    const long = await readProgram(['sh', '-c', 'yes | head -c 10000000'], 5000);
    expect(long?.length).toBeLessThan(300_000);
  });
});
