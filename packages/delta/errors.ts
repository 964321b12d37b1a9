/** The errors of this package. All refusals mean the same to a node: take the whole artifact. */
import { ArchiveError } from '@landfall/archive';
import { describeSystemError, ExitCode, messageOf, OtaError } from '@landfall/errors';

type DeltaErrorCode =
  /** The delta is damaged, hostile, of another format, or leads to something else than was signed. */
  | 'DELTA_REFUSED'
  /** What it is applied to is not what it was made from. */
  | 'DELTA_BASE'
  /** The disk failed, or a file changed while it was read. */
  | 'DELTA_IO';

/** Refusals exit with 3, disk failures with 1. */
export class DeltaError extends OtaError<DeltaErrorCode> {
  constructor(
    code: DeltaErrorCode,
    message: string,
    options: { hint?: string | undefined; cause?: unknown } = {},
  ) {
    super(code, message, {
      exit: code === 'DELTA_IO' ? ExitCode.failed : ExitCode.refused,
      ...(options.hint === undefined ? {} : { hint: options.hint }),
      ...('cause' in options ? { cause: options.cause } : {}),
    });
  }
}

/** DELTA_REFUSED for a delta that `what` (`ends early`) is said of. */
export function refused(what: string, cause?: unknown): DeltaError {
  return new DeltaError('DELTA_REFUSED', `the delta ${what}`, {
    hint: 'the whole artifact installs the same release; tell the maintainer about the delta',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** A system error about `subject` as DELTA_IO; what the archive's rules and this package throw passes through. */
export function toDeltaError(subject: string, error: unknown): Error {
  if (error instanceof DeltaError || error instanceof ArchiveError) return error;
  const known = describeSystemError(error);
  return new DeltaError('DELTA_IO', `${subject}: ${known?.what ?? messageOf(error)}`, {
    hint: known?.hint,
    cause: error,
  });
}
