/**
 * Runs our commands as a user does: a launcher in its own process, with an
 * environment of its own. Nothing of the machine's user leaks in (home, git
 * configuration, `LANDFALL_*`), so that a transcript is the same everywhere.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type ProgramName = 'release' | 'mirrors' | 'updater';

/** How a command ended and what it printed. `code` is null when a signal ended it. */
export interface Outcome {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface CommandOptions {
  /** Another way to start the program than `launcherOf`. */
  launcher?: string;
  cwd?: string;
  /** Added to the clean environment; undefined removes a name. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Text for standard input; without it standard input is empty. */
  input?: string;
  /** Milliseconds after which the process is killed and the promise rejects. 60 s unless told. */
  timeoutMs?: number;
  /** Run it as this user (tests run as root in CI). */
  uid?: number;
  /** As the leader of a group of processes, which a terminal would end together. */
  ownGroup?: boolean;
  gid?: number;
}

/** A command that is running. */
export interface Running {
  readonly child: ChildProcess;
  readonly done: Promise<Outcome>;
  /** What it has printed so far. */
  output(): { stdout: string; stderr: string };
}

/** The launcher of a program: a bundle made of the sources for this run (`launchers.ts`). */
export function launcherOf(program: ProgramName): string {
  const folder = process.env['LANDFALL_TEST_LAUNCHERS'];
  if (folder === undefined) return checkoutLauncherOf(program);
  return join(folder, program, 'bin', program);
}

/** The launcher that a checkout has, which runs the sources: `<folder>/bin/<name>`. */
export function checkoutLauncherOf(program: ProgramName): string {
  return fileURLToPath(new URL(`../../${program}/bin/${program}`, import.meta.url));
}

/** The environment our commands get in tests. */
export function cleanEnvironment(
  extra: Readonly<Record<string, string | undefined>> = {},
): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = {
    PATH: process.env['PATH'],
    HOME: tmpdir(),
    TMPDIR: tmpdir(),
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    NO_COLOR: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
  };
  for (const [name, value] of Object.entries(extra)) {
    if (value === undefined) delete environment[name];
    else environment[name] = value;
  }
  return environment;
}

/** Starts a command without waiting for it. */
export function startCommand(
  program: ProgramName,
  args: readonly string[],
  options: CommandOptions = {},
): Running {
  const child = spawn(options.launcher ?? launcherOf(program), args, {
    detached: options.ownGroup ?? false,
    cwd: options.cwd,
    env: cleanEnvironment(options.env),
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  // A command that ends without reading its input closes the pipe: that is its right.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  const timeoutMs = options.timeoutMs ?? 60_000;
  const done = new Promise<Outcome>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      const command = [program, ...args].join(' ');
      reject(new Error(`'${command}' was still running after ${timeoutMs} ms\n${stdout}${stderr}`));
    }, timeoutMs);
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stdout, stderr });
    });
  });
  return { child, done, output: () => ({ stdout, stderr }) };
}

/** Runs a command to its end. Does not throw for an exit code other than 0. */
export async function runCommand(
  program: ProgramName,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<Outcome> {
  return startCommand(program, args, options).done;
}
