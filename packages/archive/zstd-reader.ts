/**
 * Reads a zstd file frame by frame with a walker of its own (RFC 8878), so
 * that every byte of it is accounted for: frames, then at most the seek table
 * of zstd's seekable format, then the end.
 *
 * Frames that tell a content size of at most `FRAME_BYTES` are decoded whole,
 * some ahead of the reader; others are streamed through a decoder of their own
 * with a bounded window.
 */
import { promisify } from 'node:util';
import { constants, createZstdDecompress, zstdDecompress } from 'node:zlib';
import { damaged, refused } from './errors.ts';
import { Inflater } from './inflater.ts';
import type { ArchiveInput } from './input.ts';
import { FRAME_BYTES } from './limits.ts';
import type { Meter } from './meter.ts';
import { Ahead } from './read-ahead.ts';

const FRAME_MAGIC = 0xfd2fb528;
const SEEK_TABLE_MAGIC = 0x184d2a5e;
const SEEK_FOOTER_MAGIC = 0x8f92eab1;
const MAX_BLOCK = 128 * 1024;
/** Largest window of a streamed frame, as a power of two: `zstd -19` needs 2^23, `--ultra -20` 2^25. */
const WINDOW_LOG_MAX = 25;

interface FrameHeader {
  bytes: number;
  contentSize: number | undefined;
  windowSize: number;
  checksum: boolean;
}

interface FrameSizes {
  compressed: number;
  content: number;
}

/** The content of the zstd file from the input's position to its end, in order. */
export async function* readZstd(
  input: ArchiveInput,
  meter: Meter,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  const frames: FrameSizes[] = [];
  const ahead = new Ahead();
  while (input.left > 0) {
    signal?.throwIfAborted();
    const magic = input.need(4).readUInt32LE(0);
    if ((magic & 0xfffffff0) >>> 0 === 0x184d2a50) {
      readSeekTable(input, frames);
      break;
    }
    if (magic !== FRAME_MAGIC) throw damaged(input.subject, 'has other data where a frame starts');
    meter.countFrame();
    const start = input.position;
    const header = parseHeader(input);
    if (header.contentSize !== undefined && header.contentSize <= FRAME_BYTES) {
      const frame = readWhole(input, header, header.contentSize);
      meter.count(header.contentSize, input.position);
      frames.push({ compressed: frame.length, content: header.contentSize });
      yield* ahead.push(decodeWhole(input.subject, frame, header.contentSize));
    } else {
      yield* ahead.drain();
      let content = 0;
      for await (const chunk of streamFrame(input, header)) {
        content += chunk.length;
        meter.count(chunk.length, input.position);
        yield chunk;
      }
      if (header.contentSize !== undefined && header.contentSize !== content) {
        throw damaged(input.subject, 'has a frame of another size than it tells');
      }
      frames.push({ compressed: input.position - start, content });
    }
  }
  yield* ahead.drain();
}

function parseHeader(input: ArchiveInput): FrameHeader {
  const descriptor = input.need(5).readUInt8(4);
  const single = (descriptor & 0x20) !== 0;
  if ((descriptor & 0x18) !== 0) throw damaged(input.subject, 'has a frame with reserved bits set');
  if ((descriptor & 3) !== 0) throw damaged(input.subject, 'has a frame that needs a dictionary');
  const sizeFlag = descriptor >> 6;
  const sizeBytes = sizeFlag === 0 ? (single ? 1 : 0) : 1 << sizeFlag;
  const bytes = 5 + (single ? 0 : 1) + sizeBytes;
  const view = input.need(bytes);
  const contentSize = sizeBytes === 0 ? undefined : readContentSize(view, bytes, sizeBytes);
  const windowSize = single ? (contentSize ?? 0) : readWindowSize(view.readUInt8(5));
  requireWindow(input, windowSize);
  return { bytes, contentSize, windowSize, checksum: (descriptor & 4) !== 0 };
}

function requireWindow(input: ArchiveInput, windowSize: number): void {
  if (windowSize > 2 ** WINDOW_LOG_MAX) {
    const what = `needs a zstd window of ${windowSize} bytes, expected at most ${2 ** WINDOW_LOG_MAX}`;
    const hint = 'compress it again without --long, at level 20 or below';
    throw refused(input.subject, [{ path: undefined, what, hint }]);
  }
}

function readContentSize(view: Buffer, end: number, bytes: number): number {
  if (bytes === 1) return view.readUInt8(end - 1);
  if (bytes === 2) return view.readUInt16LE(end - 2) + 256;
  if (bytes === 4) return view.readUInt32LE(end - 4);
  return Number(view.readBigUInt64LE(end - 8));
}

function readWindowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

/**
 * The frame at the input's position in pieces: its header, each block, its
 * checksum. A piece unpacks to at most 128 KiB and is valid until the next.
 */
function* framePieces(input: ArchiveInput, header: FrameHeader): Generator<Buffer> {
  const take = function* (bytes: number): Generator<Buffer> {
    const piece = input.need(bytes);
    input.skip(bytes);
    yield piece;
  };
  yield* take(header.bytes);
  const maxBlock = Math.min(MAX_BLOCK, Math.max(header.windowSize, 1024));
  for (let last = false; !last;) {
    const block = input.need(3).readUIntLE(0, 3);
    last = (block & 1) === 1;
    const type = (block >> 1) & 3;
    const size = block >> 3;
    if (type === 3 || size > maxBlock) throw damaged(input.subject, 'has a damaged block');
    yield* take(3 + (type === 1 ? 1 : size));
  }
  if (header.checksum) yield* take(4);
}

/** Most bytes of a frame whose content is `content`: blocks stored as they are, and some to spare. */
function frameBound(content: number): number {
  return 64 * 1024 + content + Math.ceil(content / 1024) * 3;
}

function readWhole(input: ArchiveInput, header: FrameHeader, content: number): Buffer {
  const bound = frameBound(content);
  const frame = Buffer.allocUnsafeSlow(Math.min(bound, input.left));
  let length = 0;
  for (const piece of framePieces(input, header)) {
    if (length + piece.length > bound) {
      throw damaged(input.subject, 'has a frame that is far larger than its content');
    }
    length += piece.copy(frame, length);
  }
  return frame.subarray(0, length);
}

const decompress: (
  frame: Buffer,
  options: { chunkSize: number; maxOutputLength: number; info: true },
) => Promise<unknown> = promisify(zstdDecompress);

async function decodeWhole(subject: string, frame: Buffer, content: number): Promise<Buffer> {
  let result;
  try {
    result = (await decompress(frame, {
      chunkSize: Math.max(64, content),
      maxOutputLength: Math.max(1, content),
      info: true,
    })) as { buffer: Buffer; engine: { bytesWritten: number } };
  } catch (error) {
    throw damaged(subject, 'has a damaged zstd frame', error);
  }
  if (result.buffer.length !== content || result.engine.bytesWritten !== frame.length) {
    throw damaged(subject, 'has a zstd frame of another size than it tells');
  }
  return result.buffer;
}

async function* streamFrame(input: ArchiveInput, header: FrameHeader): AsyncGenerator<Buffer> {
  const inflater = new Inflater(
    createZstdDecompress({
      chunkSize: MAX_BLOCK,
      params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX },
    }),
  );
  const { subject } = input;
  try {
    for (const piece of framePieces(input, header))
      yield* await codec(subject, inflater.feed(piece));
    yield* await codec(subject, inflater.finish());
    if (inflater.consumed !== inflater.written) {
      throw damaged(subject, 'has a zstd frame that ends early');
    }
  } finally {
    inflater.destroy();
  }
}

async function codec<T>(subject: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw damaged(subject, 'has a damaged zstd frame', error);
  }
}

/**
 * The seek table must be the last thing in the file and tell exactly the
 * frames that were walked: a table that lies would send another reader elsewhere.
 */
function readSeekTable(input: ArchiveInput, frames: readonly FrameSizes[]): void {
  const wrong = (what: string): Error => damaged(input.subject, `has a seek table that ${what}`);
  const head = input.need(8);
  const size = head.readUInt32LE(4);
  if (head.readUInt32LE(0) !== SEEK_TABLE_MAGIC) {
    throw damaged(input.subject, 'has a skippable frame that is not a seek table');
  }
  if (input.left !== 8 + size || size < 9) throw wrong('does not end where the file ends');
  input.skip(8);
  const width = (size - 9) / frames.length;
  if (width !== 8 && width !== 12) throw wrong('tells other frames than there are');
  for (const frame of frames) {
    const entry = input.need(width);
    if (entry.readUInt32LE(0) !== frame.compressed || entry.readUInt32LE(4) !== frame.content) {
      throw wrong('tells other frames than there are');
    }
    input.skip(width);
  }
  const footer = input.need(9);
  const descriptor = width === 12 ? 0x80 : 0;
  if (
    footer.readUInt32LE(0) !== frames.length ||
    footer.readUInt8(4) !== descriptor ||
    footer.readUInt32LE(5) !== SEEK_FOOTER_MAGIC
  ) {
    throw wrong('has a damaged footer');
  }
  input.skip(9);
}
