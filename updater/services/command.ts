/**
 * Runs a program of the node: no shell, bounded in time, its output in a file.
 * The program is waited for until it exits, not until everything it started
 * has closed its output: starting daemons is what it is for.
 */
import { spawn } from 'node:child_process';
import { childEnvironment, timerMs } from '@landfall/cli';
import { messageOf } from '@landfall/errors';
import { runBounded } from './bounded-command.ts';

/** How it ended, in words; undefined: exit code 0. */
export async function runProgram(
  argv: readonly string[],
  options: { timeoutMs: number; output: number | 'ignore' },
): Promise<string | undefined> {
  const [program = '', ...args] = argv;
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const child = spawn(program, args, {
    env: childEnvironment(),
    stdio: ['ignore', options.output, options.output],
    // A group of its own, so that a program that hangs is ended with all that hangs on it.
    detached: true,
  });
  const timer = setTimeout(() => {
    resolve(`'${program}' was still running after ${options.timeoutMs} ms`);
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It ended this very moment.
    }
  }, timerMs(options.timeoutMs));
  child.once('error', (error) => resolve(`cannot run '${program}': ${messageOf(error)}`));
  child.once('exit', (code, signal) => {
    resolve(code === 0 ? undefined : `'${argv.join(' ')}' ended with ${signal ?? code}`);
  });
  return promise.finally(() => clearTimeout(timer));
}

/** What a short program prints, trimmed, at most 64 KiB; undefined when it fails. */
export async function readProgram(
  argv: readonly string[],
  timeoutMs: number,
): Promise<string | undefined> {
  const { problem, output } = await runBounded(argv, { timeoutMs, errors: 'ignored' });
  return problem === undefined ? output.trim() : undefined;
}
