/** One zstd frame (RFC 8878, section 3.1.1), walked by its header and blocks without decoding it. */
import { damaged, refused } from './errors.ts';
import type { ArchiveInput } from './input.ts';

/** Most bytes that one block holds or unpacks to. */
export const MAX_BLOCK = 128 * 1024;
/** Largest window of a streamed frame, as a power of two: `zstd -19` needs 2^23, `--ultra -20` 2^25. */
export const WINDOW_LOG_MAX = 25;
/** Most bytes of a header: magic number, descriptor, window, content size. */
const MAX_HEADER = 14;

/** What a frame says of itself (RFC 8878, section 3.1.1.1). Sizes in bytes. */
export interface FrameHeader {
  /** Bytes of the header itself, magic number included. */
  bytes: number;
  /** Bytes that the frame unpacks to, if it tells. */
  contentSize: number | undefined;
  windowSize: number;
  /** Four bytes of checksum follow the last block. */
  checksum: boolean;
}

/** The header at the input's position, which stays there. */
export async function parseHeader(input: ArchiveInput): Promise<FrameHeader> {
  await input.arrive(MAX_HEADER);
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
export async function* framePieces(
  input: ArchiveInput,
  header: FrameHeader,
): AsyncGenerator<Buffer> {
  const take = async (bytes: number): Promise<Buffer> => {
    await input.arrive(bytes);
    const piece = input.need(bytes);
    input.skip(bytes);
    return piece;
  };
  yield take(header.bytes);
  const maxBlock = Math.min(MAX_BLOCK, Math.max(header.windowSize, 1024));
  for (let last = false; !last;) {
    await input.arrive(3);
    const block = input.need(3).readUIntLE(0, 3);
    last = (block & 1) === 1;
    const type = (block >> 1) & 3;
    const size = block >> 3;
    if (type === 3 || size > maxBlock) throw damaged(input.subject, 'has a damaged block');
    yield take(3 + (type === 1 ? 1 : size));
  }
  if (header.checksum) yield take(4);
}
