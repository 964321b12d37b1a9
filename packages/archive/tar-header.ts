/**
 * One tar header block, read strictly, by code that shares nothing with the
 * writer. Both magics in use are known (POSIX `ustar\0` `00`, GNU `ustar  \0`)
 * so that a hand-made archive can be told what is wrong with it. What is not
 * exactly as the format says is refused: where two readers could differ, an
 * archive can mean two things.
 */
import { quotePath } from './names.ts';

/** What one header block says, before any pax record changes it. */
export interface RawHeader {
  /** As stored, prefix joined with a slash. */
  name: string;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtime: number;
  /** The type's character. */
  flag: string;
  linkName: string;
  userName: string;
  groupName: string;
}

/** A header that does not parse: one phrase. */
export class HeaderProblem extends Error {}

const POSIX_MAGIC = Buffer.from('ustar\x0000');
const GNU_MAGIC = Buffer.from('ustar  \0');

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Parses one block of 512 bytes that is not all zeros. Throws `HeaderProblem`. */
export function parseHeader(block: Buffer): RawHeader {
  checkSum(block);
  const isGnu = block.compare(GNU_MAGIC, 0, 8, 257, 265) === 0;
  if (!isGnu && block.compare(POSIX_MAGIC, 0, 8, 257, 265) !== 0) {
    throw new HeaderProblem('is not of a known tar format: expected ustar or GNU');
  }
  // GNU keeps times and offsets where ustar has its prefix; only incremental dumps use them.
  if (!isZero(block, isGnu ? 345 : 500, 512)) {
    throw new HeaderProblem('has data in reserved fields of its header');
  }
  if (number(block, 'device', 329, 8, true) + number(block, 'device', 337, 8, true) !== 0) {
    throw new HeaderProblem('has a device number');
  }
  const name = text(block, 'name', 0, 100);
  const prefix = isGnu ? '' : text(block, 'prefix', 345, 155);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    mode: number(block, 'mode', 100, 8),
    uid: number(block, 'owner', 108, 8),
    gid: number(block, 'group', 116, 8),
    size: number(block, 'size', 124, 12),
    mtime: number(block, 'time', 136, 12),
    flag: String.fromCodePoint(block[156] ?? 0),
    linkName: text(block, 'link', 157, 100),
    userName: text(block, 'owner name', 265, 32),
    groupName: text(block, 'group name', 297, 32),
  };
}

/** Whether a range holds zeros only. */
export function isZero(bytes: Buffer, start = 0, end = bytes.length): boolean {
  for (let at = start; at < end; at += 1) if (bytes[at] !== 0) return false;
  return true;
}

/** The sum of all bytes as unsigned, the checksum field counted as spaces. */
function checkSum(block: Buffer): void {
  let sum = 0;
  for (let at = 0; at < 512; at += 1) sum += at >= 148 && at < 156 ? 32 : (block[at] ?? 0);
  if (number(block, 'checksum', 148, 8) !== sum) {
    throw new HeaderProblem('has a header with a wrong checksum');
  }
}

/**
 * Octal digits, then NULs or spaces. No sign, no leading spaces, no base-256.
 * Read from the bytes, without a string for each: an archive may have 120,000 headers.
 */
function number(
  block: Buffer,
  field: string,
  at: number,
  length: number,
  mayBeEmpty = false,
): number {
  const end = at + length;
  let value = 0;
  let next = at;
  for (; next < end; next += 1) {
    const digit = (block[next] ?? 0) - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  const hasDigits = next > at;
  while (next < end && (block[next] === 0 || block[next] === 0x20)) next += 1;
  if (next === end && hasDigits) return value;
  if (mayBeEmpty && isZero(block, at, end)) return 0;
  const raw = block.toString('latin1', at, end);
  const found = quotePath(raw.replaceAll('\0', ' ').trim());
  throw new HeaderProblem(`has a bad ${field} field: expected octal digits, found ${found}`);
}

/** UTF-8 up to the first NUL; after it only NULs. */
function text(block: Buffer, field: string, at: number, length: number): string {
  let end = at;
  while (end < at + length && block[end] !== 0) end += 1;
  if (!isZero(block, end, at + length)) {
    throw new HeaderProblem(`has a bad ${field} field: bytes after its end`);
  }
  if (end === at) return '';
  try {
    return decoder.decode(block.subarray(at, end));
  } catch {
    throw new HeaderProblem(`has a bad ${field} field: not UTF-8`);
  }
}
