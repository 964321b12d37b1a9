/** Tells how an archive is compressed by its first bytes, and unpacks it. */
import { damaged, refused } from './errors.ts';
import { readGzip } from './gzip-reader.ts';
import type { ArchiveInput } from './input.ts';
import type { Meter } from './meter.ts';
import { readZstd } from './zstd-reader.ts';

/** How the bytes of an archive are packed; `none` is a plain tar. */
export type Packing = 'zstd' | 'gzip' | 'none';

/** Bytes of a plain tar handed on at a time. */
const PLAIN_PIECE = 512 * 1024;

/** By magic number, never by name. Refuses what is none of the three. */
export function detectPacking(input: ArchiveInput): Packing {
  const start = input.peek(512);
  if (start.length >= 4 && start.readUInt32LE(0) === 0xfd2fb528) return 'zstd';
  if (start.length >= 2 && start.readUInt16BE(0) === 0x1f8b) return 'gzip';
  if (start.length === 512 && start.toString('latin1', 257, 262) === 'ustar') return 'none';
  if (start.length === 0) throw damaged(input.subject, 'is empty');
  const what = 'is not an archive: expected zstd, gzip or tar, found something else';
  const hint = 'look at it with file(1); a proxy or a login page may have answered instead';
  throw refused(input.subject, [{ path: undefined, what, hint }]);
}

/**
 * The unpacked bytes in order, in pieces of any size. A piece is valid until
 * the next is asked for.
 */
export function decode(
  input: ArchiveInput,
  packing: Packing,
  meter: Meter,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  if (packing === 'zstd') return readZstd(input, meter, signal);
  if (packing === 'gzip') return readGzip(input, meter, signal);
  return readPlain(input, meter, signal);
}

async function* readPlain(
  input: ArchiveInput,
  meter: Meter,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  while (input.left > 0) {
    signal?.throwIfAborted();
    const piece = input.peek(PLAIN_PIECE);
    meter.count(piece.length, input.position + piece.length);
    yield piece;
    input.skip(piece.length);
  }
}
