import { describeSystemError, messageOf, OtaError } from '@landfall/errors';

type DurableErrorCode =
  /** Somebody else holds the lock. */
  | 'LOCKED'
  /** The disk did not take what was written; nothing half-written stands under the final name. */
  | 'WRITE_FAILED';

/** A file operation that did not reach the disk, or a lock held by another process. */
export class DurableError extends OtaError<DurableErrorCode> {}

/** Translates an error of the file system, once, naming the path. */
export function writeFailed(what: string, path: string, cause: unknown): DurableError {
  const system = describeSystemError(cause);
  return new DurableError(
    'WRITE_FAILED',
    `cannot ${what} '${path}': ${system?.what ?? messageOf(cause)}`,
    {
      cause,
      ...(system === undefined ? {} : { hint: system.hint }),
    },
  );
}
