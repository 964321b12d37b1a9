/**
 * Runs the commands that make what is packed. Each is an argument list, given
 * to the program as it is: no shell, no quoting. What it prints goes to a log;
 * the end of the log is shown when it fails.
 */
import { closeSync, fstatSync, mkdirSync, openSync, readSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { execa } from 'execa';
import { childEnvironment, formatDuration } from '@landfall/cli';
import type { Settings } from '../config.ts';
import { ReleaseError } from '../errors.ts';
import type { Show } from '../show.ts';

const TAIL_LINES = 20;
const TAIL_BYTES = 64 * 1024;

/** What commands are told, where they log, and the signal that ends them. */
export interface BeforeOptions {
  settings: Settings;
  version: string;
  /** Seconds since 1970; the commands see it as SOURCE_DATE_EPOCH. */
  mtime: number;
  /** Where the logs go. */
  logs: string;
  /** Whether they are still there when the command has ended: not after a dry run, or when a release is built again. */
  keepsLogs: boolean;
  show: Show;
  signal: AbortSignal;
}

/** Runs every component's commands in order; a command that two components share runs once. */
export async function runBefore(options: BeforeOptions): Promise<number> {
  const done = new Set<string>();
  for (const component of options.settings.components) {
    for (const command of component.before) {
      const key = JSON.stringify(command);
      if (done.has(key)) continue;
      done.add(key);
      await runOne(options, command, `${done.size}-${component.name}.log`);
    }
  }
  return done.size;
}

async function runOne(
  options: BeforeOptions,
  command: readonly string[],
  log: string,
): Promise<void> {
  const [program = '', ...args] = command;
  const line = command.join(' ');
  const { settings, show } = options;
  mkdirSync(options.logs, { recursive: true });
  const path = join(options.logs, log);
  writeFileSync(path, '', { mode: 0o644 });
  const started = performance.now();
  show.live('running', line);
  const result = await execa(program, args, {
    cwd: settings.directory,
    reject: false,
    stdin: 'ignore',
    stdout: { file: path, append: true },
    stderr: { file: path, append: true },
    buffer: false,
    preferLocal: true,
    localDir: settings.directory,
    cancelSignal: options.signal,
    // No command that builds has any business with passwords and tokens.
    extendEnv: false,
    env: {
      ...childEnvironment(),
      SOURCE_DATE_EPOCH: String(options.mtime),
      LANDFALL_VERSION: options.version,
    },
  });
  options.signal.throwIfAborted();
  if (result.failed) {
    for (const each of lastLines(path)) show.line(each);
    const kept = options.keepsLogs ? relative(settings.directory, path) : undefined;
    throw commandFailed(line, result, kept);
  }
  show.line(`${line}: ${formatDuration(performance.now() - started)}`);
}

function commandFailed(
  line: string,
  result: {
    exitCode?: number | undefined;
    signal?: string | undefined;
    code?: string | undefined;
    cause?: unknown;
  },
  log: string | undefined,
): ReleaseError {
  const how =
    result.exitCode === undefined
      ? (result.signal ?? (result.code === 'ENOENT' ? 'no such program' : 'it did not start'))
      : `exit code ${result.exitCode}`;
  return new ReleaseError(
    'COMMAND_FAILED',
    `command '${line}' failed: expected exit code 0, found ${how}`,
    {
      cause: result.cause,
      hint:
        result.code === 'ENOENT'
          ? "'before' takes the program and its arguments one by one, without a shell"
          : log === undefined
            ? 'the end of what it printed is above, and no log of it was kept'
            : `the whole log is in '${log}'`,
    },
  );
}

/** Of a log of any size no more than its end is read. */
function lastLines(log: string): string[] {
  const fd = openSync(log, 'r');
  let text: string;
  try {
    const bytes = Buffer.alloc(TAIL_BYTES);
    const from = Math.max(0, fstatSync(fd).size - bytes.length);
    text = bytes.toString('utf8', 0, readSync(fd, bytes, 0, bytes.length, from)).trimEnd();
  } finally {
    closeSync(fd);
  }
  return text === '' ? [] : text.split('\n').slice(-TAIL_LINES);
}
