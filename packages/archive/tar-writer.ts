/**
 * Tar headers, written: POSIX ustar (IEEE Std 1003.1, pax), owner and group 0
 * without names, with a pax header only where ustar cannot hold a path or a
 * size. The same entry gives the same bytes.
 */
import { ArchiveError } from './errors.ts';

/** Bytes. Headers are whole blocks, and content is filled up to one with zeros. */
export const TAR_BLOCK = 512;
/** Two blocks of zeros end an archive. */
export const TAR_END_BYTES = 2 * TAR_BLOCK;
/** What eleven octal digits hold. */
const MAX_OCTAL = 0o77777777777;
const NAME_BYTES = 100;
const PREFIX_BYTES = 155;

/** What a header tells. `path` is relative, `.` for the root; `mtime` in seconds. */
interface HeaderFields {
  path: string;
  type: 'directory' | 'file';
  mode: number;
  size: number;
  mtime: number;
}

/** The header blocks of one entry: one block, or a pax header with its body and then that block. */
export function tarHeader(entry: HeaderFields): Buffer {
  if (!Number.isInteger(entry.mtime) || entry.mtime < 0 || entry.mtime > MAX_OCTAL) {
    throw new ArchiveError(
      'ARCHIVE_UNPACKABLE',
      `time ${entry.mtime} does not fit an archive: expected seconds from 0 to ${MAX_OCTAL}`,
      { hint: 'set SOURCE_DATE_EPOCH to a whole number of seconds' },
    );
  }
  const name = storedName(entry);
  const split = splitName(name);
  const records: string[] = [];
  if (split === undefined) records.push(paxRecord('path', name));
  if (entry.size > MAX_OCTAL) records.push(paxRecord('size', String(entry.size)));
  const header = ustarBlock({
    ...(split ?? { name: shorten(name), prefix: '' }),
    mode: entry.mode,
    size: entry.size > MAX_OCTAL ? 0 : entry.size,
    mtime: entry.mtime,
    flag: entry.type === 'directory' ? '5' : '0',
  });
  if (records.length === 0) return header;
  const body = Buffer.from(records.join(''), 'utf8');
  const extended = ustarBlock({
    name: './PaxHeaders/entry',
    prefix: '',
    mode: 0o644,
    size: body.length,
    mtime: entry.mtime,
    flag: 'x',
  });
  return Buffer.concat([extended, body, Buffer.alloc(paddingOf(body.length)), header]);
}

/** Zero bytes between the end of `size` bytes and the next block. */
export function paddingOf(size: number): number {
  return (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK;
}

/** `./` for the root, `./a/b/` for a directory, `./a/b` for a file. */
function storedName(entry: HeaderFields): string {
  if (entry.path === '.') return './';
  return `./${entry.path}${entry.type === 'directory' ? '/' : ''}`;
}

/** Splits at the first slash that leaves at most 100 bytes; undefined when no slash does. */
function splitName(name: string): { name: string; prefix: string } | undefined {
  if (Buffer.byteLength(name) <= NAME_BYTES) return { name, prefix: '' };
  for (let at = name.indexOf('/'); at !== -1; at = name.indexOf('/', at + 1)) {
    const rest = name.slice(at + 1);
    const prefix = name.slice(0, at);
    if (Buffer.byteLength(prefix) > PREFIX_BYTES || rest === '') return undefined;
    if (Buffer.byteLength(rest) <= NAME_BYTES) return { name: rest, prefix };
  }
  return undefined;
}

/** What a reader without pax would see: the start of the name, cut between characters. */
function shorten(name: string): string {
  let short = '';
  let bytes = 0;
  for (const character of name) {
    bytes += Buffer.byteLength(character);
    if (bytes > NAME_BYTES - 1) break;
    short += character;
  }
  return short;
}

/** `<length> <key>=<value>\n`, where the length counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  if (String(length).length !== String(rest).length) length += 1;
  return `${length} ${key}=${value}\n`;
}

function ustarBlock(fields: Fixed & { name: string; prefix: string; size: number }): Buffer {
  const { block: fixed, sum: fixedSum } = fixedPart(fields);
  // From the pool: an archive has thousands, and one of its own each costs V8 more than what is in it.
  const block = Buffer.allocUnsafe(TAR_BLOCK);
  block.set(fixed);
  const named = block.write(fields.name, 0, 'utf8');
  octal(block, fields.size, 124, 11);
  let sum = fixedSum + sumOf(block, 0, named) + sumOf(block, 124, 135);
  if (fields.prefix !== '') {
    sum += sumOf(block, 345, 345 + block.write(fields.prefix, 345, 'utf8'));
  }
  octal(block, sum, 148, 6);
  block[154] = 0;
  return block;
}

/** What most headers of an archive have in common. */
interface Fixed {
  mode: number;
  mtime: number;
  flag: string;
}

interface FixedPart extends Fixed {
  block: Buffer;
  /** Of its bytes, with spaces where the sum goes. */
  sum: number;
}

/** By flag: the last that was made. */
const lastFixed = new Map<string, FixedPart>();

/** A header with no name, size or sum yet, and the sum of its bytes. */
function fixedPart({ mode, mtime, flag }: Fixed): FixedPart {
  const last = lastFixed.get(flag);
  if (last?.mode === mode && last.mtime === mtime) return last;
  const block = Buffer.alloc(TAR_BLOCK);
  octal(block, mode, 100, 7);
  octal(block, 0, 108, 7);
  octal(block, 0, 116, 7);
  octal(block, mtime, 136, 11);
  block.fill(0x20, 148, 156);
  block.write(flag, 156, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  octal(block, 0, 329, 7);
  octal(block, 0, 337, 7);
  const made = { mode, mtime, flag, block, sum: sumOf(block, 0, TAR_BLOCK) };
  lastFixed.set(flag, made);
  return made;
}

function sumOf(block: Buffer, from: number, to: number): number {
  let sum = 0;
  for (let at = from; at < to; at += 1) sum += block[at] ?? 0;
  return sum;
}

/** `value` in `digits` octal digits, with zeros in front. */
function octal(block: Buffer, value: number, at: number, digits: number): void {
  let rest = value;
  for (let place = at + digits - 1; place >= at; place -= 1) {
    block[place] = 0x30 + (rest % 8);
    rest = Math.floor(rest / 8);
  }
}
