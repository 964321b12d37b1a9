/**
 * Runs a program of the node that must come to an end: no shell, bounded in
 * time and in what is kept of its output. Whatever it started is ended with it,
 * so that nothing of a check or a hook outlives it; but for what made itself a
 * daemon, in a session of its own, which is not waited for.
 */
import { spawn } from 'node:child_process';
import { childEnvironment, formatDuration, timerMs } from '@landfall/cli';
import { messageOf } from '@landfall/errors';

/** What is kept of standard output and standard error together. */
const MAX_OUTPUT_BYTES = 64 * 1024;
/** For what it printed last, when it has ended or was told to; something else may hold its pipes for ever. */
const GRACE_MS = 1000;

/** What the program gets, and when it is ended. It runs in `/` unless told. */
export interface BoundedOptions {
  timeoutMs: number;
  /** Added to this process's own environment, which goes without secrets. */
  env?: Readonly<Record<string, string>>;
  cwd?: string;
  /** Standard error is kept, unless told. */
  errors?: 'kept' | 'ignored';
  /** Ends it early. */
  signal?: AbortSignal;
}

/** Output is kept whether it succeeded or not: 64 KiB at most. */
export interface BoundedResult {
  /** How it ended, in words; undefined: exit code 0. */
  problem?: string;
  /** The first part of what it printed. */
  output: string;
}

/** Runs `argv` to its end. Never throws. */
export async function runBounded(
  argv: readonly string[],
  { timeoutMs, env = {}, cwd = '/', errors = 'kept', signal }: BoundedOptions,
): Promise<BoundedResult> {
  const [program = '', ...args] = argv;
  const child = spawn(program, args, {
    cwd,
    env: { ...childEnvironment(), ...env },
    stdio: ['ignore', 'pipe', errors === 'kept' ? 'pipe' : 'ignore'],
    // A group of its own: it is ended with all that hangs on it.
    detached: true,
  });
  const pieces: Buffer[] = [];
  let room = MAX_OUTPUT_BYTES;
  const keep = (piece: Buffer): void => {
    if (room > 0) pieces.push(piece.subarray(0, room));
    room -= piece.length;
  };
  const pipes = [child.stdout, child.stderr];
  for (const pipe of pipes) pipe?.on('data', keep);

  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  let problem: string | undefined;
  const end = (why: string): void => {
    problem ??= why;
    killGroup(child.pid);
    // Not even then does one end that waits for a disk that hangs.
    setTimeout(() => resolve(problem), GRACE_MS).unref();
  };
  const timer = setTimeout(() => {
    end(`'${program}' was still running after ${formatDuration(timeoutMs)}`);
  }, timerMs(timeoutMs));
  const stop = (): void => end(`'${program}' was ended, as told`);
  signal?.addEventListener('abort', stop);
  if (signal?.aborted === true) stop();
  child.once('error', (error) => resolve(`cannot run '${program}': ${messageOf(error)}`));
  child.once('exit', (code, killed) => {
    clearTimeout(timer);
    if (code !== 0) problem ??= `'${program}' ended with ${killed ?? code}`;
    killGroup(child.pid);
    setTimeout(() => resolve(problem), GRACE_MS).unref();
  });
  child.once('close', () => resolve(problem));
  problem = await promise;
  clearTimeout(timer);
  signal?.removeEventListener('abort', stop);
  for (const pipe of pipes) pipe?.destroy();
  child.unref();
  const output = Buffer.concat(pieces).toString('utf8');
  return problem === undefined ? { output } : { problem, output };
}

/** The last line of an output that says anything, without control characters; '' when there is none. */
export function lastWords(output: string): string {
  const lines = output.split('\n').map((line) => line.replaceAll(/\p{Cc}/gu, ' ').trim());
  return (lines.findLast((line) => line !== '') ?? '').slice(0, 300);
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nothing of it is left.
  }
}
