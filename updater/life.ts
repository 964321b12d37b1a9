/**
 * `updater run` towards systemd (`Type=notify`, `WatchdogSec=`): that it is
 * there, that it gets on, that it ends. Elsewhere it does nothing. It is the
 * process that stays that tells; a round, in a process of its own, has no say.
 *
 * Node has no datagram sockets, so `systemd-notify` tells, a process of its
 * own. A round that leaves no trace on the disk for too long hangs, whatever
 * its timers say: then nothing is told any more, and systemd ends this process
 * and the round's, and starts it again. The next start settles what they left, as
 * after any kill.
 */
import { spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Paths } from './paths.ts';

/** A round that is at work writes or downloads something more often than this. */
const PATIENCE_MS = 10 * 60_000;
const TELL_TIMEOUT_MS = 10_000;

export interface Life {
  /** A round has begun its work, which leaves its traces at `paths`: with the first, the daemon is ready. */
  ready(paths: Paths): void;
  /** Runs a round; while it runs, systemd is told of this process only as long as it gets on. */
  during<T>(round: () => Promise<T>): Promise<T>;
  stopping(): void;
  /** Resolves when everything was told. */
  end(): Promise<void>;
}

/** Tells systemd when this process is ready, and that it lives. `note` hears what keeps it from that. */
export function beginLife(note: (line: string) => void): Life {
  const tell = openTelling(note);
  if (tell === undefined) {
    return {
      ready: () => {},
      during: async (round) => round(),
      stopping: () => {},
      end: async () => {},
    };
  }
  const pulse = startPulse(() => tell('WATCHDOG=1'));
  return {
    ready(paths) {
      if (pulse.paths === undefined) tell('READY=1');
      pulse.paths = paths;
    },
    async during(round) {
      tell('STATUS=at work');
      pulse.isAtWork = true;
      try {
        return await round();
      } finally {
        pulse.isAtWork = false;
        tell('STATUS=waiting for the next look');
      }
    },
    stopping: () => tell('STOPPING=1', 'STATUS=told to stop: ending between two steps'),
    async end() {
      clearInterval(pulse.timer);
      await tell.told();
    },
  };
}

interface Telling {
  (...lines: string[]): void;
  /** Resolves when all lines so far were told, or could not be. */
  told(): Promise<void>;
}

/** Undefined where nobody listens. What is told first arrives first. */
function openTelling(note: (line: string) => void): Telling | undefined {
  const socket = process.env['NOTIFY_SOCKET'];
  if (socket === undefined) return undefined;
  // Not for what this process starts: a check command must not speak for it.
  delete process.env['NOTIFY_SOCKET'];
  const env = { PATH: process.env['PATH'], NOTIFY_SOCKET: socket };
  let queue = Promise.resolve();
  let isHeard = true;
  const tellNext = async (before: Promise<void>, lines: readonly string[]): Promise<void> => {
    await before;
    const problem = await runNotify(lines, env);
    if (problem !== undefined && isHeard) note(`cannot tell systemd: ${problem}`);
    isHeard = problem === undefined;
  };
  const tell = (...lines: string[]): void => {
    queue = tellNext(queue, lines);
  };
  return Object.assign(tell, { told: () => queue });
}

async function runNotify(
  lines: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const child = spawn('systemd-notify', lines, { env, stdio: 'ignore', timeout: TELL_TIMEOUT_MS });
  child.once('error', (error) => resolve(error.message));
  child.once('exit', (code, signal) =>
    resolve(code === 0 ? undefined : `'systemd-notify' ended with ${signal ?? code}`),
  );
  return promise;
}

interface Pulse {
  isAtWork: boolean;
  /** Where a round leaves traces; unknown before the first has begun. */
  paths: Paths | undefined;
  timer: NodeJS.Timeout | undefined;
}

/** Calls `feed` three times within the watchdog's time, if systemd keeps one for this process. */
function startPulse(feed: () => void): Pulse {
  const pulse: Pulse = { isAtWork: false, paths: undefined, timer: undefined };
  const limitMs = Number(process.env['WATCHDOG_USEC'] ?? 0) / 1000;
  const isOurs = Number(process.env['WATCHDOG_PID'] ?? process.pid) === process.pid;
  if (!isOurs || !(limitMs > 0)) return pulse;
  let trace = '';
  let moved = performance.now();
  pulse.timer = setInterval(() => {
    const now = performance.now();
    const seen = pulse.isAtWork && pulse.paths !== undefined ? traceOf(pulse.paths) : '';
    if (!pulse.isAtWork || seen !== trace) moved = now;
    trace = seen;
    if (now - moved < PATIENCE_MS) feed();
  }, limitMs / 3);
  return pulse;
}

/** Changes whenever the work gets on: journal, downloads, what is being extracted, logs of services and probes. */
function traceOf({ journal, downloads, deployments, logs }: Paths): string {
  const newestLog = listFolder(logs).toSorted().at(-1);
  const folders = [downloads, deployments, ...(newestLog === undefined ? [] : [newestLog])];
  const files = folders.flatMap((folder) => [folder, ...listFolder(folder)]);
  return [journal, ...files].map(describeFile).join('\n');
}

function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder).map((name) => join(folder, name));
  } catch {
    return [];
  }
}

function describeFile(path: string): string {
  try {
    const { size, mtimeMs } = statSync(path);
    return `${path} ${size} ${mtimeMs}`;
  } catch {
    return path;
  }
}
