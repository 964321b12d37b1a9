/**
 * The one lock of a node. It stands in the state folder; where that takes no
 * writes (a full or read-only disk) it is held below `/run` instead, because a
 * broken release must be left all the same. Each holder looks at the other
 * place after it has its own, so that two never work at once; at worst both
 * give way. A crash leaves what `packages/durable/lock.ts` says, in either place.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { acquireLock, DurableError, type Lock, readLock, type LockHolder } from '@landfall/durable';
import { messageOf, systemCode } from '@landfall/errors';
import type { Paths } from './paths.ts';

const UNWRITABLE = ['ENOSPC', 'EDQUOT', 'EROFS'];

/** Locks the node for `purpose`. Throws `DurableError` LOCKED while another updater is at work. */
export function lockNode(paths: Paths, purpose: string, note: (line: string) => void): Lock {
  const elsewhere = lockElsewhere(paths);
  try {
    return excluding(elsewhere, purpose, acquireLock(paths.lock, purpose));
  } catch (error) {
    if (!isUnwritable(error)) throw error;
    note(`${messageOf(error)}: locked with ${elsewhere} instead`);
    return excluding(paths.lock, purpose, acquireLock(elsewhere, purpose));
  }
}

/** Who is at work on this node now, if anyone is. Changes nothing. */
export function findHolder(paths: Paths): LockHolder | undefined {
  try {
    return readLock(paths.lock) ?? readLock(lockElsewhere(paths));
  } catch {
    return undefined; // There is no state folder yet, or it is not ours to read.
  }
}

/** Gives `lock` back and throws when somebody holds the lock at `path` too. */
function excluding(path: string, purpose: string, lock: Lock): Lock {
  if (readLock(path) === undefined) return lock;
  lock.release();
  // Throws LOCKED, with the holder's name.
  return acquireLock(path, purpose);
}

/** Told by the state's path: two nodes on one machine do not share it. */
function lockElsewhere({ state }: Paths): string {
  const name = createHash('sha256').update(state).digest('hex').slice(0, 12);
  return join('/run', `landfall-${name}.lock`);
}

function isUnwritable(error: unknown): boolean {
  const cause = error instanceof DurableError ? error.cause : undefined;
  return UNWRITABLE.includes(systemCode(cause) ?? '');
}
