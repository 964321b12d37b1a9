/** Runs the programs that a machine is made of, and those inside it: bounded in time, output kept. */
import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Outcome } from './command.ts';

export interface RunOptions {
  /** Milliseconds after which the program and its children are killed and the promise rejects. 60 s unless told. */
  timeoutMs?: number;
  /** Text for standard input; without it standard input is empty. */
  input?: string;
}

/** Runs `argv` to its end. Does not throw for an exit code other than 0. */
export async function runProgram(
  argv: readonly string[],
  options: RunOptions & SpawnOptions = {},
): Promise<Outcome> {
  const { timeoutMs = 60_000, input = '', ...rest } = options;
  const [program = '', ...args] = argv;
  // A group of its own: what it started goes with it when its time is up.
  const child = spawn(program, args, { ...rest, stdio: 'pipe', detached: true });
  const output = collect(child);
  child.stdin?.on('error', () => {});
  child.stdin?.end(input);
  return new Promise<Outcome>((resolve, reject) => {
    const timer = setTimeout(() => {
      // Without an exit code it is not reaped yet, so the number is still its own.
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
      const { stdout, stderr } = output;
      const command = argv.join(' ');
      reject(new Error(`'${command}' was still running after ${timeoutMs} ms\n${stdout}${stderr}`));
    }, timeoutMs);
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, ...output });
    });
  });
}

/** A program that runs until it is told to end; its first line has come. */
export interface Background {
  readonly child: ChildProcess;
  readonly firstLine: string;
  /** How it ended; never rejects. */
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** What it has written to standard error, and to standard output after the first line. */
  readonly output: { stdout: string; stderr: string };
}

/** Starts `argv` and waits for its first line. Throws with what it said when it ends before that. */
export async function startProgram(argv: readonly string[]): Promise<Background> {
  const [program = '', ...args] = argv;
  // In a group of its own: Ctrl-C at a terminal is for the test runner, which then lets it go.
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  const output = collect(child);
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('error', () => resolve({ code: null, signal: null }));
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  const firstLine = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).once('line', resolve);
    child.once('error', reject);
    void ended.then(({ code, signal }) =>
      reject(new Error(`'${program}' ended with ${signal ?? code}: ${output.stderr.trim()}`)),
    );
  });
  return { child, firstLine, ended, output };
}

/** Keeps up to 1 MiB of each. */
function collect(child: ChildProcess): { stdout: string; stderr: string } {
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      if (output[name].length < 1024 * 1024) output[name] += text;
    });
  }
  return output;
}
