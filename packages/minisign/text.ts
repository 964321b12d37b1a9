/**
 * The common ground of minisign's files: a few lines, comments with a fixed
 * beginning, base64. Read strictly: one text has one reading, and no two
 * texts mean the same key or signature by accident.
 */
import { MinisignError } from './errors.ts';

/** The beginning of the first line of minisign's key and signature files. */
export const UNTRUSTED_PREFIX = 'untrusted comment: ';
/** The beginning of the third line of a signature file. */
export const TRUSTED_PREFIX = 'trusted comment: ';

/** What minisign's line buffers hold (COMMENTMAXBYTES, TRUSTEDCOMMENTMAXBYTES), line end and NUL taken off. */
export const MAX_UNTRUSTED_LINE_BYTES = 1022;
/** The same for the line of the trusted comment. Prefixes count in both. */
export const MAX_TRUSTED_LINE_BYTES = 8190;

/** What is being read, for errors: `signature 'a.minisig'`. */
export interface Subject {
  code: 'KEY_INVALID' | 'SIGNATURE_INVALID';
  name: string;
  hint: string;
}

/** Throws `MinisignError` with the subject's code and name; `what` says what is wrong with it. */
export function refuse(subject: Subject, what: string, hint = subject.hint): never {
  throw new MinisignError(subject.code, `${subject.name}: ${what}`, { hint });
}

/** The text of a file: UTF-8, no more than `maxBytes`, lines ended by LF alone. */
export function readText(input: string | Uint8Array, maxBytes: number, subject: Subject): string {
  const size = typeof input === 'string' ? Buffer.byteLength(input) : input.length;
  if (size > maxBytes) refuse(subject, `expected at most ${maxBytes} bytes, found ${size}`);
  const text = typeof input === 'string' ? input : decode(input, subject);
  if (!text.isWellFormed()) refuse(subject, 'expected UTF-8 text, found something else');
  if (text.includes('\r')) {
    refuse(
      subject,
      'expected lines that end with a line feed, found a carriage return',
      'it was changed on its way, by an editor or a transfer as text: fetch it again as it is',
    );
  }
  return text;
}

function decode(bytes: Uint8Array, subject: Subject): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return refuse(subject, 'expected UTF-8 text, found something else');
  }
}

/** Exactly `count` lines; the last may end with one line feed or none. */
export function readLines(text: string, count: number, subject: Subject): string[] {
  const lines = (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n');
  if (lines.length !== count) {
    refuse(subject, `expected exactly ${count} lines, found ${lines.length}`);
  }
  return lines;
}

/** The text of a comment line, after its prefix. */
export function readComment(
  line: string | undefined,
  prefix: string,
  maxBytes: number,
  subject: Subject,
): string {
  if (line === undefined || !line.startsWith(prefix)) {
    return refuse(subject, `expected a line that begins with '${prefix}'`);
  }
  const comment = line.slice(prefix.length);
  const problem = commentProblem(comment, prefix, maxBytes);
  if (problem !== undefined) refuse(subject, problem);
  return comment;
}

/** A comment line to be written. Throws `MinisignError` COMMENT_INVALID. */
export function toCommentLine(comment: string, prefix: string, maxBytes: number): string {
  const problem = commentProblem(comment, prefix, maxBytes);
  if (problem !== undefined) {
    throw new MinisignError('COMMENT_INVALID', `cannot write the comment: ${problem}`, {
      hint: 'use one line of plain text',
    });
  }
  return `${prefix}${comment}`;
}

/** Tabs are minisign's own separator; no other control character is text. */
function commentProblem(comment: string, prefix: string, maxBytes: number): string | undefined {
  const kind = prefix.slice(0, -2);
  const size = Buffer.byteLength(prefix) + Buffer.byteLength(comment);
  if (size > maxBytes) return `expected a ${kind} line of at most ${maxBytes} bytes, found ${size}`;
  if (/[^\P{Cc}\t]/u.test(comment)) {
    return `expected no control characters in the ${kind}, found one`;
  }
  return comment.isWellFormed() ? undefined : `expected Unicode text in the ${kind}`;
}

/**
 * The `length` bytes that a line of base64 encodes: the standard alphabet with
 * padding, and only the one encoding that writes them back the same.
 */
export function readBase64(line: string | undefined, length: number, subject: Subject): Buffer {
  const text = line ?? '';
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) {
    refuse(subject, `expected canonical base64, found ${text.length} characters that are not`);
  }
  if (bytes.length !== length) {
    refuse(subject, `expected ${length} bytes in base64, found ${bytes.length}`);
  }
  return bytes;
}
