/**
 * Temporary folders of commands that pass files through them. A command
 * that is killed leaves its folder behind; the next one takes over what is
 * usable in it, or removes it. Whether a folder is in use is told by the lock in
 * it, which dies with its holder. Nothing is touched that another user made.
 */
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { acquireLock, DurableError, type Lock } from '@landfall/durable';
import { systemCode } from '@landfall/errors';

/** A folder of this process, locked until `remove`; a killed one leaves it to the next. */
export interface ScratchFolder {
  readonly path: string;
  /** Removes it with all that is in it. */
  remove(): void;
}

/**
 * A folder of ours in the temporary folder, `landfall-<purpose>-…`: the one that
 * a killed run left, with what is in it, else a new one; with `anew` always a new
 * one. What further killed runs left is removed.
 */
export function openScratchFolder(purpose: string, { anew = false } = {}): ScratchFolder {
  const prefix = `landfall-${purpose}-${processSpace()}`;
  const abandoned = readdirSync(tmpdir())
    .filter((name) => name.startsWith(prefix))
    .map((name) => join(tmpdir(), name))
    .flatMap((path) => (isOurs(path) ? (take(path, purpose) ?? []) : []));
  const [first, ...others] = anew ? [undefined, ...abandoned] : abandoned;
  for (const each of others) each?.remove();
  return first ?? fresh(prefix, purpose);
}

/** Runs `work` with an empty folder, which goes after it, or with the next run after a kill. */
export async function withScratchFolder<T>(
  purpose: string,
  work: (path: string) => Promise<T>,
): Promise<T> {
  const folder = openScratchFolder(purpose, { anew: true });
  const path = join(folder.path, 'scratch');
  mkdirSync(path, { mode: 0o700 });
  try {
    return await work(path);
  } finally {
    folder.remove();
  }
}

function fresh(prefix: string, purpose: string): ScratchFolder {
  for (;;) {
    // Another command may take it for abandoned before it is locked.
    const made = take(mkdtempSync(join(tmpdir(), prefix)), purpose);
    if (made !== undefined) return made;
  }
}

/**
 * Which processes can be seen from here: those of another container that has the same
 * temporary folder cannot be told from dead ones.
 */
function processSpace(): string {
  const space = statSync('/proc/self/ns/pid', { throwIfNoEntry: false });
  return space === undefined ? '' : `${space.ino}-`;
}

/** A folder that nobody else can write to: a name in `/tmp` may be anybody's. */
function isOurs(path: string): boolean {
  const info = lstatSync(path, { throwIfNoEntry: false });
  return info?.isDirectory() === true && info.uid === process.getuid?.() && !(info.mode & 0o077);
}

/** The folder, locked; undefined when it is in use, or gone by now. */
function take(path: string, purpose: string): ScratchFolder | undefined {
  let lock: Lock;
  try {
    lock = acquireLock(join(path, 'lock'), purpose);
  } catch (error) {
    const gone = error instanceof DurableError && systemCode(error.cause) === 'ENOENT';
    if (gone || (error instanceof DurableError && error.code === 'LOCKED')) return undefined;
    throw error;
  }
  return {
    path,
    remove: () => {
      rmSync(path, { recursive: true, force: true, maxRetries: 3 });
      lock.release();
    },
  };
}
