/** Tells how an archive is compressed by its first bytes, and unpacks it. */
import { damaged, refused } from './errors.ts';
import { readGzip } from './gzip-reader.ts';
import { ArchiveInput } from './input.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { Meter } from './meter.ts';
import { readZstd } from './zstd-reader.ts';

/** How the bytes of an archive are packed; `none` is a plain tar. */
export type Packing = 'zstd' | 'gzip' | 'none';

/** Bytes of a plain tar handed on at a time. */
const PLAIN_PIECE = 512 * 1024;

/**
 * Unpacks the archive behind an open descriptor elsewhere: the bytes in order,
 * in pieces that are valid until the next is asked for. `maxBytes` is the most
 * that may come. Throws `ArchiveError`.
 */
export type Unpack = (
  fd: number,
  options: { name: string; maxBytes: number; signal: AbortSignal | undefined },
) => AsyncIterable<Buffer>;

/** Bytes that tell what it is: a block of tar. */
const START_BYTES = 512;

/** By magic number, never by name. Refuses what is none of the three. */
export async function detectPacking(input: ArchiveInput): Promise<Packing> {
  await input.arrive(START_BYTES);
  const start = input.peek(START_BYTES);
  if (start.length >= 4 && start.readUInt32LE(0) === 0xfd2fb528) return 'zstd';
  if (start.length >= 2 && start.readUInt16BE(0) === 0x1f8b) return 'gzip';
  if (start.length === START_BYTES && start.toString('latin1', 257, 262) === 'ustar') return 'none';
  if (start.length === 0) throw damaged(input.subject, 'is empty');
  const what = 'is not an archive: expected zstd, gzip or tar, found something else';
  const hint = 'look at it with file(1); a proxy or a login page may have answered instead';
  throw refused(input.subject, [{ path: undefined, what, hint }]);
}

/**
 * The unpacked bytes in order, in pieces of any size, `maxBytes` at most. A
 * piece is valid until the next is asked for. With `unpack` no byte of a
 * compressed format is read by this process.
 */
export function decode(
  input: ArchiveInput,
  packing: Packing,
  bounds: { maxBytes: number; maxRatio: number },
  { signal, unpack }: { signal?: AbortSignal | undefined; unpack?: Unpack | undefined },
): AsyncGenerator<Buffer> {
  const meter = new Meter(input.subject, bounds.maxBytes, bounds.maxRatio);
  if (packing === 'none') return readPlain(input, meter, signal);
  if (unpack !== undefined) return readElsewhere(input, meter, bounds.maxBytes, signal, unpack);
  if (packing === 'zstd') return readZstd(input, meter, signal);
  return readGzip(input, meter, signal);
}

/** What unpacks is not believed to have kept the bounds: they are counted again. */
async function* readElsewhere(
  input: ArchiveInput,
  meter: Meter,
  maxBytes: number,
  signal: AbortSignal | undefined,
  unpack: Unpack,
): AsyncGenerator<Buffer> {
  await input.arrive(input.size);
  for await (const piece of unpack(input.fd, { name: input.name, maxBytes, signal })) {
    meter.count(piece.length, input.size);
    yield piece;
  }
}

/** The other side of `Unpack`: what the archive behind `fd` unpacks to. Throws `ArchiveError`. */
export async function* unpackArchive(
  fd: number,
  { name, maxBytes }: { name: string; maxBytes: number },
): AsyncGenerator<Buffer> {
  const input = new ArchiveInput(fd, name);
  const bounds = { maxBytes, maxRatio: DEFAULT_LIMITS.maxRatio };
  yield* decode(input, await detectPacking(input), bounds, {});
}

async function* readPlain(
  input: ArchiveInput,
  meter: Meter,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  while (input.left > 0) {
    signal?.throwIfAborted();
    await input.arrive(PLAIN_PIECE);
    const piece = input.peek(PLAIN_PIECE);
    meter.count(piece.length, input.position + piece.length);
    yield piece;
    input.skip(piece.length);
  }
}
