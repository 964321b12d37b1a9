/**
 * How one frame of ours is made.
 *
 * zstd: a frame (RFC 8878) with content size and checksum, and after the last
 * frame the seek table of zstd's contrib/seekable_format: a skippable frame
 * (0x184D2A5E) that holds compressed and content size of each frame.
 *
 * gzip: a member (RFC 1952) with our own header, because zlib's tells the
 * operating system: time 0, OS 255, and an extra field `LF` with the size of
 * the whole member, so that a reader finds the next one without inflating.
 */
import { constants, crc32, createDeflateRaw, createZstdCompress } from 'node:zlib';
import type { DeflateRaw, ZstdCompress } from 'node:zlib';
import { giveBack } from './give-back.ts';
import { FRAME_BYTES, STRONG_FRAME_BYTES } from './limits.ts';

/** zstd (RFC 8878) or gzip (RFC 1952). */
export type Compression = 'zstd' | 'gzip';

/** Each codec's own level, where none is told. */
export const DEFAULT_LEVELS: Readonly<Record<Compression, number>> = { zstd: 3, gzip: 6 };

/** From this level of zstd on a frame takes seconds, and tables of 100 MB. */
const STRONG_ZSTD_LEVEL = 13;

/** Whether somebody asked for few bytes, whatever it takes to make them. */
export function isStrong(compression: Compression, level: number): boolean {
  return compression === 'zstd' && level >= STRONG_ZSTD_LEVEL;
}

/**
 * Content of one frame, in bytes. A gzip member loses little by being smaller,
 * and takes long enough that two processors must end together. What repeats is found
 * within a frame alone, so at the strong levels of zstd, where bytes count, it holds more.
 */
export function contentBytes(compression: Compression, level: number): number {
  if (compression === 'gzip') return FRAME_BYTES / 2;
  return isStrong(compression, level) ? STRONG_FRAME_BYTES : FRAME_BYTES;
}

const GZIP_HEADER_BYTES = 20;
const GZIP_TRAILER_BYTES = 8;

/** One independent frame of `content`. The bytes depend on content, level and the codec's version alone. */
export function compressFrame(
  content: Buffer,
  compression: Compression,
  level: number,
): Promise<Buffer> {
  return compression === 'zstd' ? zstdFrame(content, level) : gzipMember(content, level);
}

function zstdFrame(content: Buffer, level: number): Promise<Buffer> {
  return inOneCall(
    createZstdCompress({
      flush: constants.ZSTD_e_end,
      chunkSize: roomFor(content),
      pledgedSrcSize: content.length,
      params: {
        [constants.ZSTD_c_compressionLevel]: level,
        [constants.ZSTD_c_contentSizeFlag]: 1,
        [constants.ZSTD_c_checksumFlag]: 1,
      },
    }),
    content,
  );
}

async function gzipMember(content: Buffer, level: number): Promise<Buffer> {
  const flush = constants.Z_FINISH;
  const body = await inOneCall(
    createDeflateRaw({ flush, level, chunkSize: roomFor(content) }),
    content,
  );
  const header = Buffer.alloc(GZIP_HEADER_BYTES);
  // Magic, deflate, FEXTRA, time 0, no extra flags, unknown OS, 8 bytes of extra field.
  header.set([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 8, 0, 0x4c, 0x46, 4, 0]);
  header.writeUInt32LE(GZIP_HEADER_BYTES + body.length + GZIP_TRAILER_BYTES, 16);
  const trailer = Buffer.alloc(GZIP_TRAILER_BYTES);
  trailer.writeUInt32LE(crc32(content), 0);
  trailer.writeUInt32LE(content.length, 4);
  const member = Buffer.concat([header, body, trailer]);
  giveBack(body);
  return member;
}

/** Room for any frame of `content`, so that the compressor works in one pass. */
function roomFor(content: Buffer): number {
  return Math.max(1024, content.length + (content.length >> 7) + 1024);
}

/**
 * What `stream` makes of `content`. It was made to end its format with what is
 * written to it, and is never ended itself: Node's own one-shot calls tell the
 * codec of the end in a second call, so that zstd takes the content for a stream
 * of unknown length, copies it and finds less, and both pieces are joined.
 */
async function inOneCall(stream: DeflateRaw | ZstdCompress, content: Buffer): Promise<Buffer> {
  const pieces: Buffer[] = [];
  stream.on('data', (piece: Buffer) => pieces.push(piece));
  try {
    await new Promise<void>((resolve, reject) => {
      stream.on('error', reject);
      stream.write(content, (error) => (error ? reject(error) : resolve()));
    });
  } finally {
    stream.destroy();
  }
  const [first] = pieces;
  return first !== undefined && pieces.length === 1 ? first : Buffer.concat(pieces);
}

/** The seek table for `frames`, without checksums of its own: each frame carries one. */
export function seekTable(frames: readonly { compressed: number; content: number }[]): Buffer {
  const entries = frames.length * 8;
  const table = Buffer.alloc(8 + entries + 9);
  table.writeUInt32LE(0x184d2a5e, 0);
  table.writeUInt32LE(entries + 9, 4);
  frames.forEach((frame, index) => {
    table.writeUInt32LE(frame.compressed, 8 + index * 8);
    table.writeUInt32LE(frame.content, 12 + index * 8);
  });
  table.writeUInt32LE(frames.length, 8 + entries);
  table.writeUInt32LE(0x8f92eab1, 8 + entries + 5);
  return table;
}
