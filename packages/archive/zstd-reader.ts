/**
 * Reads a zstd file frame by frame with a walker of its own (RFC 8878), so
 * that every byte of it is accounted for: frames, then at most the seek table
 * of zstd's seekable format, then the end.
 *
 * Frames that tell a content size of at most `STRONG_FRAME_BYTES` are decoded whole,
 * some ahead of the reader; others are streamed through a decoder of their own
 * with a bounded window.
 */
import { promisify } from 'node:util';
import { constants, createZstdDecompress, zstdDecompress } from 'node:zlib';
import { damaged } from './errors.ts';
import { Inflater } from './inflater.ts';
import type { ArchiveInput } from './input.ts';
import { STRONG_FRAME_BYTES } from './limits.ts';
import type { Meter } from './meter.ts';
import { Ahead } from './read-ahead.ts';
import { type FrameSizes, readSeekTable } from './seek-table.ts';
import {
  type FrameHeader,
  framePieces,
  MAX_BLOCK,
  parseHeader,
  WINDOW_LOG_MAX,
} from './zstd-frame.ts';

const FRAME_MAGIC = 0xfd2fb528;
/** The content of the zstd file from the input's position to its end, in order. */
export async function* readZstd(
  input: ArchiveInput,
  meter: Meter,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  const frames: FrameSizes[] = [];
  const ahead = new Ahead();
  /** Room for compressed frames that none is decoded from. */
  const spare: Buffer[] = [];
  while (input.left > 0) {
    signal?.throwIfAborted();
    // What is here is made use of before more is waited for.
    if (input.isDry) yield* ahead.drain();
    await input.arrive(4);
    const magic = input.need(4).readUInt32LE(0);
    if ((magic & 0xfffffff0) >>> 0 === 0x184d2a50) {
      await input.arrive(input.left);
      readSeekTable(input, frames);
      break;
    }
    if (magic !== FRAME_MAGIC) throw damaged(input.subject, 'has other data where a frame starts');
    meter.countFrame();
    const start = input.position;
    const header = await parseHeader(input);
    if (header.contentSize !== undefined && header.contentSize <= STRONG_FRAME_BYTES) {
      const content = header.contentSize;
      const room =
        spare.pop() ?? Buffer.allocUnsafeSlow(Math.min(frameBound(STRONG_FRAME_BYTES), input.size));
      const frame = await readWhole(input, header, content, room);
      meter.count(content, input.position);
      frames.push({ compressed: frame.length, content });
      const decoded = decodeWhole(input.subject, frame, content);
      yield* ahead.push(decoded.finally(() => spare.push(room)));
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

/** Most bytes of a frame whose content is `content`: blocks stored as they are, and some to spare. */
function frameBound(content: number): number {
  return 64 * 1024 + content + Math.ceil(content / 1024) * 3;
}

/** The frame at the input's position, in `frame`, which has room for the largest. */
async function readWhole(
  input: ArchiveInput,
  header: FrameHeader,
  content: number,
  frame: Buffer,
): Promise<Buffer> {
  const bound = frameBound(content);
  let length = 0;
  for await (const piece of framePieces(input, header)) {
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
      // One byte more than needed: a chunk that is full makes zlib allocate another.
      chunkSize: Math.max(64, content + 1),
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
    for await (const piece of framePieces(input, header))
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
