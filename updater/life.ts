/**
 * `updater run` towards systemd (`Type=notify`, `WatchdogSec=`): that it is
 * there, that it gets on, that it ends. It is the process that stays that tells;
 * a round, in a process of its own, has no say.
 *
 * Node has no datagram sockets, so `systemd-notify` tells, a process of its
 * own. A round that leaves no trace on the disk for too long hangs, whatever
 * its timers say: then nothing is told any more, and systemd ends this process
 * and the round's, and starts it again. Where systemd keeps no watchdog, the round
 * is given up here. What it left is settled by the next, as after any kill.
 */
import { spawn } from 'node:child_process';
import { lstatSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { timerMs } from '@landfall/cli';
import type { Paths } from './paths.ts';

/** A round that is at work writes or downloads something more often than this. */
const PATIENCE_MS = 10 * 60_000;
/** Where no watchdog says how often to look, this part of the patience passes between two looks. */
const LOOKS = 20;
const TELL_TIMEOUT_MS = 10_000;

/** The moments of `updater run` that systemd is told of, by sd_notify(3), where it listens. */
export interface Life {
  /** A round has begun its work, which leaves its traces at `paths`: with the first, the daemon is ready. */
  ready(paths: Paths): void;
  /**
   * Runs a round; while it runs, systemd is told of this process only as long as it
   * gets on. `hung` is aborted when it does not and no watchdog of systemd's ends it.
   */
  during<T>(round: (hung: AbortSignal) => Promise<T>): Promise<T>;
  stopping(): void;
  /** Resolves when everything was told. */
  end(): Promise<void>;
}

/**
 * Tells systemd, where it listens, when this process is ready, and that it lives.
 * `note` hears what keeps it from that; `patienceMs` is how long a round may leave no trace.
 */
export function beginLife(note: (line: string) => void, patienceMs = PATIENCE_MS): Life {
  const tell = openTelling(note);
  const limitMs = watchdogLimit();
  const watched = tell !== undefined && limitMs !== undefined;
  let hang = new AbortController();
  const watch = startWatch(patienceMs, watched ? limitMs / 3 : patienceMs / LOOKS, (getsOn) => {
    if (!watched) return getsOn ? undefined : hang.abort();
    if (getsOn) tell('WATCHDOG=1');
  });
  return {
    ready(paths) {
      if (watch.paths === undefined) tell?.('READY=1');
      watch.paths = paths;
    },
    async during(round) {
      tell?.('STATUS=at work');
      hang = new AbortController();
      watch.isAtWork = true;
      watch.moved = performance.now();
      try {
        return await round(hang.signal);
      } finally {
        watch.isAtWork = false;
        tell?.('STATUS=waiting for the next look');
      }
    },
    stopping: () => tell?.('STOPPING=1', 'STATUS=told to stop: ending between two steps'),
    async end() {
      clearInterval(watch.timer);
      await tell?.told();
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

/** Milliseconds within which systemd wants to be told, if it keeps a watchdog for this process. */
function watchdogLimit(): number | undefined {
  const limitMs = Number(process.env['WATCHDOG_USEC'] ?? 0) / 1000;
  const isOurs = Number(process.env['WATCHDOG_PID'] ?? process.pid) === process.pid;
  return isOurs && limitMs > 0 ? limitMs : undefined;
}

interface Watch {
  isAtWork: boolean;
  /** Where a round leaves traces; unknown before the first has begun. */
  paths: Paths | undefined;
  /** When it was last seen to get on, or began; by `performance.now()`. */
  moved: number;
  timer: NodeJS.Timeout;
}

/** Looks every `everyMs`, and tells whether what is at work has left a trace within `patienceMs`. */
function startWatch(
  patienceMs: number,
  everyMs: number,
  tellPulse: (getsOn: boolean) => void,
): Watch {
  let trace = '';
  const look = (): void => {
    const now = performance.now();
    const seen = watch.isAtWork && watch.paths !== undefined ? traceOf(watch.paths) : '';
    if (!watch.isAtWork || seen !== trace) watch.moved = now;
    trace = seen;
    tellPulse(now - watch.moved < patienceMs);
  };
  const timer = setInterval(look, timerMs(everyMs));
  const watch: Watch = { isAtWork: false, paths: undefined, moved: performance.now(), timer };
  return watch;
}

/**
 * Changes whenever the work gets on: journal, downloads, what is being extracted or removed,
 * logs of services and probes, and what is touched while nothing of that changes (`trace.ts`).
 */
function traceOf({ journal, downloads, deployments, logs, state }: Paths): string {
  const newestLog = listFolder(logs).toSorted().at(-1);
  const folders = [downloads, deployments, ...(newestLog === undefined ? [] : [newestLog])];
  const files = folders.flatMap((folder) => [folder, ...listFolder(folder)]);
  const unfinished = files.filter((file) => basename(file).startsWith('.'));
  return [...[state, journal, ...files].map(describeFile), ...unfinished.map(describeTree)].join(
    '\n',
  );
}

/** How much is below `folder`, at any depth. */
function describeTree(folder: string): string {
  const left = [folder];
  let [files, bytes] = [0, 0];
  try {
    for (let path = left.pop(); path !== undefined; path = left.pop()) {
      for (const entry of readdirSync(path, { withFileTypes: true })) {
        const below = join(path, entry.name);
        if (entry.isDirectory()) left.push(below);
        files += 1;
        bytes += lstatSync(below).size;
      }
    }
  } catch {
    // Something of it went just now: that is a trace, too.
  }
  return `${folder} ${files} ${bytes}`;
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
