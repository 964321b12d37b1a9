/**
 * The one error base. Every error a person may see is an `OtaError`: a code
 * from its module's closed union, one line that says what was expected and
 * what was found, a hint that says what to do, and the cause.
 *
 * Messages: lower case, no full stop, the subject quoted, one line.
 */

/** Process exit codes shared by every command (see `docs/commands.md`). */
export const ExitCode = {
  done: 0,
  failed: 1,
  usage: 2,
  refused: 3,
  partial: 4,
} as const;
/** One of those numbers; docs/commands.md says when a command ends with which. */
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** What an error tells besides its code and message. */
export interface OtaErrorOptions {
  /** What the reader can do about it; one line. */
  hint?: string;
  cause?: unknown;
  /** The exit code a command ends with; 1 unless told. 2: wrong usage or configuration. 3: refused by a gate. */
  exit?: ExitCode;
}

/** Base of all errors. Modules subclass it to close `code`. */
export class OtaError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly hint: string | undefined;
  readonly exit: ExitCode;

  constructor(code: Code, message: string, options: OtaErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : {});
    this.name = new.target.name;
    this.code = code;
    this.hint = options.hint;
    this.exit = options.exit ?? ExitCode.failed;
  }
}

/** The `code` of a Node system error (`ENOENT`, …), or undefined for anything else. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' && /^E[A-Z0-9]+$/.test(error.code) ? error.code : undefined;
}

/** The message of anything thrown, on one line. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll(/\s*\n\s*/g, '; ');
}

/** What a terminal would obey, or would show in another order. */
const OBEYED = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Words of others as one line that a terminal only shows: line ends as spaces, other control characters as `?`. */
export function plainLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ').replaceAll(OBEYED, '?');
}

/** Characters of one issue: names of unknown keys are as long as whoever wrote them likes. */
const ISSUE_CHARACTERS = 300;

/**
 * A zod issue list as one line: `a.b: expected string, found number; …` (at most three, then a count).
 * What is looked at may be anybody's, and issues name its keys: nothing in the line is obeyed by a terminal.
 */
export function describeIssues(
  issues: readonly { path: readonly PropertyKey[]; message: string }[],
): string {
  const lines = issues.slice(0, 3).map((issue) => {
    const where = issue.path.map(String).join('.');
    const line = plainLine(where === '' ? issue.message : `'${where}': ${issue.message}`);
    return line.length > ISSUE_CHARACTERS ? `${line.slice(0, ISSUE_CHARACTERS)}…` : line;
  });
  if (issues.length > lines.length) lines.push(`and ${issues.length - lines.length} more`);
  return lines.join('; ');
}

/** Disk and permission errors in words; `undefined` when `error` is of another kind. */
export function describeSystemError(error: unknown): { what: string; hint: string } | undefined {
  switch (systemCode(error)) {
    case 'ENOSPC':
      return {
        what: 'no space left on the device',
        hint: 'free some space and run the command again',
      };
    case 'EDQUOT':
      return {
        what: 'the disk quota is used up',
        hint: 'free some space and run the command again',
      };
    case 'EROFS':
      return {
        what: 'the file system is read-only',
        hint: 'remount it writable, or check the disk with dmesg',
      };
    case 'EACCES':
    case 'EPERM':
      return {
        what: 'permission denied',
        hint: 'run it as the user that owns the file, or as root',
      };
    case 'ENOENT':
      return { what: 'no such file or directory', hint: 'check the path' };
    case 'EIO':
      return {
        what: 'the disk answered with an I/O error',
        hint: 'check the disk with dmesg before going on',
      };
    default:
      return undefined;
  }
}
