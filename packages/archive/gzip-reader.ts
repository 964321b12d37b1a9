/**
 * Reads a gzip file member by member with a walker of its own (RFC 1952): no
 * byte after a member is ignored. Members of ours tell their own size in the
 * extra field `LF` and are inflated whole, some ahead of the reader; others are
 * streamed.
 */
import { promisify } from 'node:util';
import { crc32, createInflateRaw, inflateRaw } from 'node:zlib';
import { damaged } from './errors.ts';
import { Inflater } from './inflater.ts';
import type { ArchiveInput } from './input.ts';
import { FRAME_BYTES } from './limits.ts';
import type { Meter } from './meter.ts';
import { Ahead } from './read-ahead.ts';

/** Most bytes of a header: fixed part, extra field, and a name and comment of sane length. */
const MAX_HEADER = 10 + 2 + 65_535 + 2 * 4096 + 2;
const TRAILER = 8;
/** Deflate unpacks to at most 1032 times its size: a piece to 4 MB. */
const PIECE = 4 * 1024;

interface MemberHeader {
  bytes: number;
  /** Bytes of the whole member, when it is one of ours. */
  memberSize: number | undefined;
}

/** The content of the gzip file from the input's position to its end, in order. */
export async function* readGzip(
  input: ArchiveInput,
  meter: Meter,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  const ahead = new Ahead();
  while (input.left > 0) {
    signal?.throwIfAborted();
    meter.countFrame();
    // What is here is made use of before more is waited for.
    if (input.isDry) yield* ahead.drain();
    await input.arrive(MAX_HEADER);
    const header = parseHeader(input);
    if (header.memberSize === undefined) {
      yield* ahead.drain();
      await input.arrive(input.left);
      input.skip(header.bytes);
      yield* streamMember(input, meter, signal);
    } else {
      await input.arrive(header.memberSize);
      const member = readWhole(input, header.memberSize);
      const content = member.readUInt32LE(member.length - 4);
      if (content > FRAME_BYTES) {
        throw damaged(input.subject, 'has a gzip member that is too large');
      }
      meter.count(content, input.position);
      yield* ahead.push(decodeWhole(input.subject, member, header.bytes, content));
    }
  }
  yield* ahead.drain();
}

function parseHeader(input: ArchiveInput): MemberHeader {
  const { subject } = input;
  const view = input.peek(MAX_HEADER);
  const flags = view[3] ?? 0;
  // The shortest member there can be: a header, an empty block and the trailer.
  if (view.length < 20) throw damaged(subject, 'is truncated');
  if (view[0] !== 0x1f || view[1] !== 0x8b || view[2] !== 8) {
    throw damaged(subject, 'has other data where a gzip member starts');
  }
  if ((flags & 0xe0) !== 0) throw damaged(subject, 'has a gzip member with reserved bits set');
  let at = 10;
  let memberSize: number | undefined;
  if (flags & 4) {
    const length = view.readUInt16LE(at);
    const isOurs = length === 8 && view.readUInt32BE(at + 2) === 0x4c460400;
    if (isOurs && flags === 4) memberSize = view.readUInt32LE(at + 6);
    at += 2 + length;
  }
  // Name, then comment: each ends with a zero byte.
  for (const flag of [8, 16]) {
    if ((flags & flag) === 0) continue;
    const end = view.indexOf(0, at);
    if (end === -1) throw damaged(subject, 'has a damaged gzip header');
    at = end + 1;
  }
  if (flags & 2) {
    if (at + 2 > view.length || view.readUInt16LE(at) !== (crc32(view.subarray(0, at)) & 0xffff)) {
      throw damaged(subject, 'has a damaged gzip header');
    }
    at += 2;
  }
  if (at > view.length) throw damaged(subject, 'is truncated');
  return { bytes: at, memberSize };
}

function readWhole(input: ArchiveInput, size: number): Buffer {
  // Stored blocks of deflate add 5 bytes to each 64 KiB at most; the rest is to spare.
  const bound = FRAME_BYTES + (FRAME_BYTES >> 7) + 64 * 1024;
  if (size < 28 || size > bound) {
    throw damaged(input.subject, 'has a gzip member of an impossible size');
  }
  if (size > input.left) throw damaged(input.subject, 'is truncated');
  const member = Buffer.allocUnsafeSlow(size);
  for (let at = 0; at < size;) {
    const piece = input.peek(size - at);
    at += piece.copy(member, at);
    input.skip(piece.length);
  }
  return member;
}

const inflate: (
  body: Buffer,
  options: { chunkSize: number; maxOutputLength: number; info: true },
) => Promise<unknown> = promisify(inflateRaw);

async function decodeWhole(
  subject: string,
  member: Buffer,
  header: number,
  content: number,
): Promise<Buffer> {
  const body = member.subarray(header, member.length - TRAILER);
  let result;
  try {
    result = (await inflate(body, {
      // One byte more than needed: a chunk that is full makes zlib allocate another.
      chunkSize: Math.max(64, content + 1),
      maxOutputLength: Math.max(1, content),
      info: true,
    })) as { buffer: Buffer; engine: { bytesWritten: number } };
  } catch (error) {
    throw damaged(subject, 'has a damaged gzip member', error);
  }
  if (
    result.buffer.length !== content ||
    result.engine.bytesWritten !== body.length ||
    crc32(result.buffer) !== member.readUInt32LE(member.length - TRAILER)
  ) {
    throw damaged(subject, 'has a damaged gzip member');
  }
  return result.buffer;
}

async function* streamMember(
  input: ArchiveInput,
  meter: Meter,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  const { subject } = input;
  const start = input.position;
  const inflater = new Inflater(createInflateRaw({ chunkSize: 256 * 1024 }));
  let sum = 0;
  let size = 0;
  try {
    // The trailer follows the deflate data, so its end always leaves bytes that are not taken.
    while (inflater.consumed === inflater.written) {
      signal?.throwIfAborted();
      if (input.left === 0) throw damaged(subject, 'is truncated');
      const piece = input.peek(PIECE);
      for (const chunk of await feed(subject, inflater, piece)) {
        sum = crc32(chunk, sum);
        size += chunk.length;
        meter.count(chunk.length, input.position + piece.length);
        yield chunk;
      }
      input.skip(piece.length);
    }
  } finally {
    inflater.destroy();
  }
  input.seek(start + inflater.consumed);
  const trailer = input.need(TRAILER);
  if (trailer.readUInt32LE(0) !== sum || trailer.readUInt32LE(4) !== size % 2 ** 32) {
    throw damaged(subject, 'has a damaged gzip member');
  }
  input.skip(TRAILER);
}

async function feed(subject: string, inflater: Inflater, piece: Buffer): Promise<Buffer[]> {
  try {
    return await inflater.feed(piece);
  } catch (error) {
    throw damaged(subject, 'has a damaged gzip member', error);
  }
}
