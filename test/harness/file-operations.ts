/**
 * The file operations of a program, one by one, by strace: what it does below a
 * folder, and a pause after each. Only the main thread is followed: the updater
 * writes to the disk from there alone.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { cleanEnvironment, launcherOf, type Outcome } from './command.ts';
import { CALLS, type FileOperation, parseLine, type Seen } from './strace-lines.ts';

/** A walk that looks at the disk after each operation takes its time. */
const TIMEOUT_MS = 300_000;

export interface TraceOptions {
  /** Absolute; operations outside it are none of ours. */
  folder: string;
  env?: Readonly<Record<string, string>>;
  umask?: string;
  /** More of strace's options. `$$` in them is the program's process id. */
  strace?: readonly string[];
  /** Runs after each operation, while the program stands still. `kill` ends it there. */
  onOperation?: (operation: FileOperation, kill: () => void) => void | Promise<void>;
}

/**
 * Runs `updater ARGS` and resolves to its end, to its operations, in order, and
 * to how many calls strace answered in the kernel's place. With `onOperation` it
 * is stopped by SIGSTOP after each one.
 */
export async function traceUpdater(
  args: readonly string[],
  options: TraceOptions,
): Promise<Outcome & { operations: FileOperation[]; injected: number }> {
  const child = startTraced(args, options);
  const [, out, err, trace] = child.stdio as unknown as [null, Readable, Readable, Readable];
  const texts = [readText(out), readText(err)];
  const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS);
  const closed = new Promise<Pick<Outcome, 'code' | 'signal'>>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  try {
    const followed = await follow(trace, child.pid ?? 0, options);
    const [stdout = '', stderr = ''] = await Promise.all(texts);
    return { ...(await closed), stdout, stderr, ...followed };
  } finally {
    clearTimeout(timer);
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  }
}

function startTraced(
  args: readonly string[],
  { env, umask = '022', strace = [], onOperation }: TraceOptions,
): ChildProcess {
  const pausing = onOperation === undefined ? [] : ['-e', `inject=${CALLS}:signal=SIGSTOP`];
  // With -D the program keeps this shell's process id, which names its temporary files.
  const words = ['-D', '-y', '-qq', '-o', '|exec cat >&3', '-e', `trace=${CALLS}`, ...pausing];
  const quoted = [...words, ...strace, launcherOf('updater'), ...args].map(
    (word) => `"${word.replaceAll(/["\\`]/g, String.raw`\$&`)}"`,
  );
  return spawn('sh', ['-c', `umask ${umask}; exec strace ${quoted.join(' ')}`], {
    env: cleanEnvironment(env),
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
}

/** Reads strace's lines to their end; where the program stands still, lets it go on, or not. */
async function follow(
  trace: Readable,
  pid: number,
  { folder, onOperation }: TraceOptions,
): Promise<{ operations: FileOperation[]; injected: number }> {
  const operations: FileOperation[] = [];
  const seen: Seen = { counts: new Map(), folders: new Map() };
  let last: FileOperation | undefined;
  let injected = 0;
  for await (const line of linesOf(trace)) {
    if (line.startsWith('--- stopped by SIGSTOP')) {
      let isKilled = false;
      const kill = (): void => {
        isKilled = true;
        process.kill(pid, 'SIGKILL');
      };
      if (last !== undefined) await onOperation?.(last, kill);
      last = undefined;
      if (!isKilled) process.kill(pid, 'SIGCONT');
      continue;
    }
    if (line.endsWith('(INJECTED)')) injected += 1;
    const operation = parseLine(line, folder, pid, seen);
    if (operation === undefined) continue;
    operations.push(operation);
    last = operation;
  }
  return { operations, injected };
}

async function readText(stream: Readable): Promise<string> {
  let text = '';
  for await (const piece of stream.setEncoding('utf8')) text += String(piece);
  return text;
}

async function* linesOf(stream: Readable): AsyncGenerator<string> {
  let rest = '';
  for await (const piece of stream) {
    rest += String(piece);
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}
