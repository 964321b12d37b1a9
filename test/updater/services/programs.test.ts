/** Programs before they are trusted: what they are built for, what they lack, and how long they may run. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { lastWords, runBounded } from '../../../updater/services/bounded-command.ts';
import { foreignMachine, readElf } from '../../../updater/services/elf.ts';
import { findMissingLibraries } from '../../../updater/services/libraries.ts';
import { identifyProcess } from '../../../updater/services/process.ts';
import { lackLibrary, buildForeign } from '../../harness/programs.ts';
import { temporaryFolder } from '../../harness/temporary.ts';

const SLEEP = '/usr/bin/sleep';

function write(bytes: Uint8Array | string): string {
  const file = join(temporaryFolder(), 'program');
  writeFileSync(file, bytes, { mode: 0o755 });
  return file;
}

describe('a program', () => {
  it('tells its machine and its loader', () => {
    const elf = readElf(SLEEP);
    expect(elf?.interpreter).toMatch(/^\/lib.*\/ld-/);
    expect(existsSync(elf?.interpreter ?? '')).toBe(true);
    expect(elf && foreignMachine(elf, process.arch)).toBeUndefined();
  });

  it('for another machine is named, where this one is known', () => {
    const elf = readElf(write(buildForeign(readFileSync(SLEEP))));
    expect(elf && foreignMachine(elf, process.arch)).toMatch(/^(aarch64|x86-64)$/);
    expect(elf && foreignMachine(elf, 'vax')).toBeUndefined();
    expect(foreignMachine({ machine: 243 }, 'x64')).toBe('risc-v');
    expect(foreignMachine({ machine: 3 }, 'x64'), '32 bits of the same family').toBeUndefined();
  });

  it.each([
    ['a script', '#!/bin/sh\nexit 0\n'],
    ['nothing', ''],
    ['a torn header', readFileSync(SLEEP).subarray(0, 40)],
  ])('that is %s is not ELF', async (_, content) => {
    const file = write(content);
    expect(readElf(file)).toBeUndefined();
    expect(await findMissingLibraries(file, new AbortController().signal)).toStrictEqual([]);
  });

  it('whose tables lie outside of it does no harm', () => {
    const bytes = Buffer.from(readFileSync(SLEEP).subarray(0, 4096));
    bytes.writeBigUInt64LE(2n ** 60n, 32);
    expect(readElf(write(bytes))?.interpreter).toBeUndefined();
  });

  it('that lacks a library is not run to find out', async () => {
    const { signal } = new AbortController();
    expect(await findMissingLibraries(SLEEP, signal)).toStrictEqual([]);
    const file = write(lackLibrary(readFileSync(SLEEP)));
    expect(await findMissingLibraries(file, signal)).toStrictEqual(['libq.so.6']);
  });
});

describe('a command that must end', () => {
  it('gives what it printed, and only so much of it', async () => {
    const fine = await runBounded(['sh', '-c', 'echo out; echo $WHO in $PWD >&2'], {
      timeoutMs: 10_000,
      env: { WHO: 'me' },
      cwd: '/usr',
    });
    expect(fine).toStrictEqual({ output: 'out\nme in /usr\n' });
    const chatty = await runBounded(['sh', '-c', 'yes | head -c 1000000; exit 3'], {
      timeoutMs: 10_000,
    });
    expect(chatty.problem).toBe("'sh' ended with 3");
    expect(chatty.output).toHaveLength(64 * 1024);
    expect((await runBounded(['/nowhere'], { timeoutMs: 1000 })).problem).toContain('ENOENT');
    expect(lastWords('a\n\u001B[31mb \n\n')).toBe('[31mb');
  });

  it('is ended with all it started: when it hangs, when it is told, and when it leaves something', async () => {
    const file = join(temporaryFolder(), 'pid');
    const script = (then: string): string[] => [
      'sh',
      '-c',
      `rm -f ${file}; sleep 600 & echo $! > ${file}; ${then}`,
    ];
    const isGone = async (): Promise<boolean> => {
      const pid = Number(readFileSync(file, 'utf8'));
      for (let tries = 0; tries < 100; tries += 1) {
        if (identifyProcess(pid) === undefined) return true;
        await sleep(20);
      }
      return false;
    };
    const hung = await runBounded(script('wait'), { timeoutMs: 1000 });
    expect(hung.problem).toBe("'sh' was still running after 1.0 s");
    expect(await isGone()).toBe(true);
    const left = await runBounded(script('exit 0'), { timeoutMs: 20_000 });
    expect(left.problem).toBeUndefined();
    expect(await isGone()).toBe(true);
    const told = new AbortController();
    rmSync(file);
    const running = runBounded(script('wait'), { timeoutMs: 20_000, signal: told.signal });
    while (!existsSync(file) || readFileSync(file, 'utf8') === '') await sleep(10);
    told.abort();
    expect((await running).problem).toContain('was ended, as told');
    expect(await isGone()).toBe(true);
  });

  it.each([
    ['that ended well', 'exit 0', undefined],
    ['that ended badly', 'exit 3', "'sh' ended with 3"],
  ])(
    '%s is not waited for longer because it left a daemon with its output',
    async (_, end, problem) => {
      const file = join(temporaryFolder(), 'pid');
      const script = `echo done; setsid sh -c 'echo $$ > ${file}; exec sleep 60' & while [ ! -s ${file} ]; do sleep 0.01; done; ${end}`;
      const began = performance.now();
      const result = await runBounded(['sh', '-c', script], { timeoutMs: 30_000 });
      process.kill(Number(readFileSync(file, 'utf8')), 'SIGKILL');
      expect(result.problem).toBe(problem);
      expect(result.output).toBe('done\n');
      expect(performance.now() - began).toBeLessThan(20_000);
    },
  );

  it('is not waited for either when it is ended itself, and a daemon keeps its output', async () => {
    const file = join(temporaryFolder(), 'pid');
    const script = `setsid sh -c 'echo $$ > ${file}; exec sleep 60' & while [ ! -s ${file} ]; do sleep 0.01; done; sleep 60`;
    const began = performance.now();
    const result = await runBounded(['sh', '-c', script], { timeoutMs: 3000 });
    process.kill(Number(readFileSync(file, 'utf8')), 'SIGKILL');
    expect(result.problem).toBe("'sh' was still running after 3.0 s");
    expect(performance.now() - began).toBeLessThan(20_000);
  });
});
