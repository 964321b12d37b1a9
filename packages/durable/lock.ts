/**
 * One holder at a time, and a dead holder never blocks.
 *
 * A lock is a row of files `<path>.<generation>`. To acquire is to create the
 * next generation exclusively (by link, so it appears whole) when the newest
 * one's holder is gone. A generation is never reused, so two processes that
 * find the same dead holder compete for one name and one of them wins. The
 * winner removes older generations, and claims of processes that are gone;
 * releasing empties one's own.
 *
 * A crash leaves the file with the id of a process that is gone: that is what
 * the next one recognises, by pid, start time and boot id together.
 */
import {
  closeSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  truncateSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { systemCode } from '@landfall/errors';
import { DurableError, writeFailed } from './errors.ts';

/** A lock that this process holds, until it is released or the process ends. */
export interface Lock {
  /** Gives the lock back. Safe to call twice. */
  release(): void;
}

interface Holder {
  pid: number;
  /** Start time in clock ticks since boot: tells this process from a later one with its pid. */
  start: string;
  boot: string;
  purpose: string;
  /** Wall clock at which it was acquired, ISO in UTC; absent in locks of older versions. */
  since?: string | undefined;
}

/** Who holds a lock now. */
export interface LockHolder {
  pid: number;
  purpose: string;
  since?: string | undefined;
  /** It was stopped by a signal (SIGSTOP, Ctrl-Z): it does nothing, and keeps the lock. */
  stopped: boolean;
}

/** The live holder of the lock at `path`; undefined when anyone may have it. Changes nothing. */
export function readLock(path: string): LockHolder | undefined {
  try {
    const holder = liveHolder(path, newestGeneration(path));
    if (holder === undefined) return undefined;
    const { pid, purpose, since, stopped } = holder;
    return { pid, purpose, since, stopped };
  } catch (error) {
    if (isGone(error)) return undefined;
    throw writeFailed('read', path, error);
  }
}

/**
 * Acquires the lock at `path` or throws `DurableError` LOCKED, naming the
 * holder's pid, purpose and since when. Never waits. A holder is told also
 * where the disk takes no writes.
 */
export function acquireLock(path: string, purpose: string): Lock {
  const mine = `${path}.claim-${process.pid}`;
  try {
    refuseLocked(path);
    writeClaim(mine, purpose);
    try {
      const generation = claimGeneration(path, mine);
      return { release: () => releaseGeneration(`${path}.${generation}`) };
    } finally {
      clearAway(mine);
    }
  } catch (error) {
    throw error instanceof DurableError ? error : writeFailed('lock', path, error);
  }
}

/** Makes `mine` the newest generation and returns its number. */
function claimGeneration(path: string, mine: string): number {
  for (;;) {
    const newest = newestGeneration(path);
    refuseLocked(path, newest);
    const next = newest + 1;
    if (!linkExclusively(mine, `${path}.${next}`)) continue;
    if (newestGeneration(path) > next) {
      // We were slow: this number was used and cleared away while we were looking at its predecessor.
      removeIfThere(`${path}.${next}`);
      continue;
    }
    removeOlder(path, next);
    removeDeadClaims(path);
    return next;
  }
}

function refuseLocked(path: string, newest = newestGeneration(path)): void {
  const holder = liveHolder(path, newest);
  if (holder !== undefined) throw locked(path, holder);
}

function liveHolder(path: string, newest: number): (Holder & { stopped: boolean }) | undefined {
  const holder = newest === 0 ? undefined : readHolder(`${path}.${newest}`);
  if (holder === undefined) return undefined;
  try {
    const { start, boot, stopped } = identify(holder.pid);
    return start === holder.start && boot === holder.boot ? { ...holder, stopped } : undefined;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function writeClaim(path: string, purpose: string): void {
  const { start, boot } = identify(process.pid);
  const since = new Date().toISOString();
  const holder: Holder = { pid: process.pid, start, boot, purpose, since };
  removeIfThere(path);
  const fd = openSync(path, 'wx', 0o600);
  try {
    writeSync(fd, JSON.stringify(holder));
  } finally {
    closeSync(fd);
  }
}

function newestGeneration(path: string): number {
  const prefix = `${basename(path)}.`;
  const generations = readdirSync(dirname(path))
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
    .filter((text) => /^[1-9]\d{0,14}$/.test(text))
    .map(Number);
  return Math.max(0, ...generations);
}

function linkExclusively(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
}

function removeOlder(path: string, than: number): void {
  const prefix = `${basename(path)}.`;
  for (const name of readdirSync(dirname(path))) {
    const generation = Number(name.slice(prefix.length));
    if (name.startsWith(prefix) && generation < than) clearAway(join(dirname(path), name));
  }
}

/** Claims of processes that died while they were at it. The name tells whose: the content may be torn. */
function removeDeadClaims(path: string): void {
  const prefix = `${basename(path)}.claim-`;
  for (const name of readdirSync(dirname(path))) {
    if (!name.startsWith(prefix) || isRunning(Number(name.slice(prefix.length)))) continue;
    clearAway(join(dirname(path), name));
  }
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
}

/** For what holds nobody: the next one to lock tries again. A disk that does not take it must not cost the lock. */
function clearAway(path: string): void {
  try {
    removeIfThere(path);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
  }
}

/**
 * Leaves the emptied file: its number must not be used again while somebody may
 * be comparing. A disk that does not take it changes nothing: this process will
 * be gone, which is what the next one looks at. What it did must not end as that error.
 */
function releaseGeneration(path: string): void {
  try {
    if (readHolder(path)?.pid === process.pid) truncateSync(path, 0);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
  }
}

function readHolder(path: string): Holder | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return isHolder(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function isHolder(value: unknown): value is Holder {
  if (typeof value !== 'object' || value === null) return false;
  return (
    'pid' in value &&
    typeof value.pid === 'number' &&
    'start' in value &&
    'boot' in value &&
    'purpose' in value
  );
}

function isGone(error: unknown): boolean {
  return systemCode(error) === 'ENOENT' || systemCode(error) === 'ESRCH';
}

function isRunning(pid: number): boolean {
  try {
    return identify(pid).start !== 'dead';
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

function identify(pid: number): { start: string; boot: string; stopped: boolean } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field, the name, may hold spaces and parentheses; what follows its last one is regular.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const state = fields[0] ?? '';
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const start = state === 'Z' || state === 'X' ? 'dead' : (fields[19] ?? '');
  return { start, boot, stopped: state === 'T' || state === 't' };
}

function locked(path: string, { pid, purpose, since, stopped }: LockHolder): DurableError {
  const when = since === undefined ? '' : ` since ${since}`;
  return new DurableError(
    'LOCKED',
    `'${path}' is held by process ${pid} (${purpose})${when}${stopped ? ', which is stopped and does nothing' : ''}`,
    {
      hint: stopped
        ? `'kill -CONT ${pid}' lets it go on; 'kill -KILL ${pid}' ends it, and the next start settles what it began`
        : 'wait until it is done, or look at that process',
    },
  );
}
