/**
 * The records of a pax extended header (POSIX pax, "pax Header Block"), read
 * strictly. `path` and `size` are used; times and comments are let through and
 * ignored; anything else is refused, because it would change what an entry is.
 * A time that GNU tar could not read is refused, too: it fails on such an archive.
 */
import { quotePath } from './names.ts';
import { HeaderProblem } from './tar-header.ts';

/** What a pax header may change of the entry that follows it. */
export interface PaxFields {
  path?: string;
  size?: number;
}

const TIMES = new Set(['mtime', 'atime', 'ctime']);
/** Seconds since 1970, with a fraction or none. */
const TIME = /^-?\d{1,12}(\.\d+)?$/;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Parses the body of a pax header. Throws `HeaderProblem`. */
export function parsePax(body: Buffer): PaxFields {
  const fields: PaxFields = {};
  const seen = new Set<string>();
  for (let at = 0; at < body.length;) {
    const { key, value, end } = parseRecord(body, at);
    at = end;
    if (seen.has(key)) throw new HeaderProblem(`has the pax record '${key}' twice`);
    seen.add(key);
    if (key === 'path') fields.path = value;
    else if (key === 'size') fields.size = parseSize(value);
    else if (TIMES.has(key)) requireTime(key, value);
    else if (key !== 'comment') {
      throw new HeaderProblem(`has the pax record ${quotePath(key)}, expected path or size`);
    }
  }
  return fields;
}

/** `<length> <key>=<value>\n`: the length in decimal counts the whole record. */
function parseRecord(body: Buffer, at: number): { key: string; value: string; end: number } {
  const space = body.indexOf(0x20, at);
  const digits = space === -1 ? '' : body.toString('latin1', at, Math.min(space, at + 8));
  const end = at + Number(digits);
  if (!/^[1-9]\d{0,6}$/.test(digits) || end > body.length || end < space + 4) {
    throw new HeaderProblem('has a pax header with a damaged record');
  }
  const equals = body.indexOf(0x3d, space);
  if (body[end - 1] !== 0x0a || equals === -1 || equals >= end || equals === space + 1) {
    throw new HeaderProblem('has a pax header with a damaged record');
  }
  try {
    const key = decoder.decode(body.subarray(space + 1, equals));
    const value = decoder.decode(body.subarray(equals + 1, end - 1));
    if (value.includes('\0'))
      throw new HeaderProblem(`has the pax record ${quotePath(key)} with a NUL`);
    return { key, value, end };
  } catch (error) {
    if (error instanceof HeaderProblem) throw error;
    throw new HeaderProblem('has a pax record that is not UTF-8', { cause: error });
  }
}

function requireTime(key: string, value: string): void {
  if (TIME.test(value)) return;
  const found = quotePath(value);
  throw new HeaderProblem(`has a pax ${key} of ${found}, expected seconds in decimal digits`);
}

function parseSize(value: string): number {
  const size = Number(value);
  if (!/^(0|[1-9]\d*)$/.test(value) || !Number.isSafeInteger(size)) {
    throw new HeaderProblem(`has a pax size that is not a number of bytes`);
  }
  return size;
}
