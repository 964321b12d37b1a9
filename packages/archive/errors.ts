/** The errors of this package, and how a list of problems becomes one line. */
import { describeSystemError, ExitCode, messageOf, OtaError } from '@landfall/errors';

type ArchiveErrorCode =
  /** The source tree holds something that must not travel; names every path and why. */
  | 'ARCHIVE_UNPACKABLE'
  /** An archive or an extracted tree is not what docs/formats.md allows. */
  | 'ARCHIVE_REFUSED'
  /** The content is well formed and is not what was signed. */
  | 'ARCHIVE_DIGEST'
  /** The disk failed, or a file changed while it was read. */
  | 'ARCHIVE_IO';

/** One thing wrong with a tree or an archive: `what` names its subject. */
export interface Problem {
  /** Path inside the tree, `.` for the root; undefined when it is about the archive as a whole. */
  path: string | undefined;
  /** One phrase: subject quoted, expected against found. */
  what: string;
  hint?: string;
}

interface ArchiveErrorOptions {
  hint?: string | undefined;
  cause?: unknown;
  problems?: readonly Problem[];
}

/** Refusals exit with 3, disk failures with 1. `problems` holds every one that was found. */
export class ArchiveError extends OtaError<ArchiveErrorCode> {
  readonly problems: readonly Problem[];

  constructor(code: ArchiveErrorCode, message: string, options: ArchiveErrorOptions = {}) {
    super(code, message, {
      exit: code === 'ARCHIVE_IO' ? ExitCode.failed : ExitCode.refused,
      ...(options.hint === undefined ? {} : { hint: options.hint }),
      ...('cause' in options ? { cause: options.cause } : {}),
    });
    this.problems = options.problems ?? [];
  }
}

/** A system error of the disk as ARCHIVE_IO; an `ArchiveError` passes through. */
export function toArchiveError(subject: string, error: unknown): ArchiveError {
  if (error instanceof ArchiveError) return error;
  const known = describeSystemError(error);
  return new ArchiveError('ARCHIVE_IO', `${subject}: ${known?.what ?? messageOf(error)}`, {
    hint: known?.hint,
    cause: error,
  });
}

/**
 * ARCHIVE_REFUSED: `subject` (such as `archive 'web-ui.tar.gz'`), the first
 * `named` problems (4 unless told), and the first hint among them. `total`
 * counts problems that were not kept too.
 */
export function refused(
  subject: string,
  problems: readonly Problem[],
  options: { total?: number; named?: number; cause?: unknown } = {},
): ArchiveError {
  const total = options.total ?? problems.length;
  const shown = problems.slice(0, options.named ?? 4).map((problem) => problem.what);
  if (total > shown.length) shown.push(moreProblems(total - shown.length));
  return new ArchiveError('ARCHIVE_REFUSED', `${subject}: ${shown.join('; ')}`, {
    hint: problems.find((problem) => problem.hint !== undefined)?.hint,
    problems,
    ...('cause' in options ? { cause: options.cause } : {}),
  });
}

function moreProblems(count: number): string {
  return `and ${count} more ${count === 1 ? 'problem' : 'problems'}`;
}

/** ARCHIVE_REFUSED for an archive that ends, or goes on, where its format says otherwise. */
export function damaged(subject: string, what: string, cause?: unknown): ArchiveError {
  const problem = {
    path: undefined,
    what,
    hint: 'fetch the archive again; if it stays, it was made or copied wrongly',
  };
  return refused(subject, [problem], cause === undefined ? {} : { cause });
}
