/**
 * The errors of mirrors. Whatever goes wrong between us and a mirror (HTTP,
 * TLS, DNS, git, a folder) is translated here once, names the mirror, and says
 * what to do. Nothing in a message ever comes from a request we sent, so no
 * credential can be in it.
 */
import { ExitCode, OtaError, type OtaErrorOptions } from '@landfall/errors';

/** What went wrong. With the HTTP status it tells whether to try again: see `isTransient`. */
export type MirrorErrorCode =
  /** No connection: refused, no such host, TLS, cut off; or the folder is not there. */
  | 'UNREACHABLE'
  /** The whole read took longer than its deadline. */
  | 'TIMEOUT'
  /** The bytes came slower than the minimum rate, or not at all. */
  | 'TOO_SLOW'
  /** More bytes than the reader's bound. */
  | 'TOO_LARGE'
  /** An answer that is none: a page of HTML, a server error, truncated or wrong bytes. */
  | 'BAD_ANSWER'
  /** 401. */
  | 'UNAUTHORIZED'
  /** 403. */
  | 'FORBIDDEN'
  /** The server refused what was sent: 409, 413, 422, a hook. */
  | 'REJECTED'
  /** A redirect that leaves the mirror's origin. */
  | 'REDIRECT_REFUSED'
  /** 404 where something was expected. */
  | 'NOT_FOUND'
  /** The index branch is not an ancestor of the index to be written. */
  | 'DIVERGED'
  /** Somebody else has published since the index to be written was decided on. */
  | 'SUPERSEDED'
  /** The mirror can be read but not written. */
  | 'NOT_WRITABLE'
  /** The configuration is wrong; exit code 2. */
  | 'CONFIG';

/** What HTTP told, for `retry.ts`. `exit` is 2 with CONFIG and else 1, unless told. */
export interface MirrorErrorOptions extends OtaErrorOptions {
  /** The HTTP status that was answered, if one was. */
  status?: number;
  /** Milliseconds for which the server asked to be left alone, if it did. */
  retryAfterMs?: number | undefined;
}

/** Something about one mirror. `mirror` is its name, or empty for a whole configuration. */
export class MirrorError extends OtaError<MirrorErrorCode> {
  readonly mirror: string;
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(
    code: MirrorErrorCode,
    mirror: string,
    message: string,
    options: MirrorErrorOptions = {},
  ) {
    const exit = options.exit ?? (code === 'CONFIG' ? ExitCode.usage : ExitCode.failed);
    super(code, mirror === '' ? message : nameOf(mirror) + message, { ...options, exit });
    this.mirror = mirror;
    this.status = options.status;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** What a message about `mirror` begins with. */
function nameOf(mirror: string): string {
  return `mirror '${mirror}': `;
}

/**
 * A message about the mirror of the name `mirror` without that at its beginning,
 * for where the name stands beside it. One that does not begin so, as those of
 * other errors, stays as it is.
 */
export function withoutName(message: string, mirror: string): string {
  const name = nameOf(mirror);
  return message.startsWith(name) ? message.slice(name.length) : message;
}

/** The error of a file that is not (or no longer) what was to be uploaded. */
export function changedUnderway(
  mirror: string,
  path: string,
  expected: string,
  found: string,
): MirrorError {
  return new MirrorError(
    'REJECTED',
    mirror,
    `'${path}' is not what was to be uploaded: expected sha256 ${expected}, found ${found}`,
    { hint: 'something changed the file; build the release again' },
  );
}
