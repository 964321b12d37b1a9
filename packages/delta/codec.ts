/**
 * One frame of a delta: a zstd frame whose dictionary is the parts of old files
 * that it refers to, made and read by one-shot calls.
 *
 * The tables of the compressor are as wide as what it looks into: with the
 * default ones a delta of a large file is six times as large. Long-distance
 * matching, which would stand in for them, finds less.
 */
import { promisify } from 'node:util';
import { constants, zstdCompress, zstdDecompress } from 'node:zlib';
import { refused } from './errors.ts';
import { WINDOW_LOG } from './limits.ts';

const compress = promisify(zstdCompress);
const decompress: (
  frame: Buffer,
  options: NonNullable<Parameters<typeof zstdDecompress>[1]> & { info: true },
) => Promise<unknown> = promisify(zstdDecompress);

/** A zstd dictionary of its own format begins so; old files that do are not taken for one. */
const DICTIONARY_MAGIC = 0xec30a437;
const NO_LONG_DISTANCE = 2;
/** Tables of 64 and 256 MiB, each there twice: once for the dictionary. Wider ones find a hundredth more. */
const MAX_HASH_LOG = 24;
const MAX_CHAIN_LOG = 26;

/** Unpacks `frame` to exactly `content` bytes; throws anything when it does not. */
export type Inflate = (
  frame: Buffer,
  options: { content: number; dictionary: Buffer | undefined },
) => Promise<Buffer>;

/** Whether `bytes` can be a dictionary. */
export function isDictionary(bytes: Buffer): boolean {
  return bytes.length >= 8 && bytes.readUInt32LE(0) !== DICTIONARY_MAGIC;
}

/** The bytes depend on its arguments and the codec's version alone. */
export async function packFrame(
  content: Buffer,
  options: { level: number; dictionary: Buffer | undefined },
): Promise<Buffer> {
  const { level, dictionary } = options;
  const log = logOf(content.length + (dictionary?.length ?? 0));
  const wide = {
    [constants.ZSTD_c_windowLog]: log,
    // Half as many places as bytes: setting up more costs small frames more than it finds.
    [constants.ZSTD_c_hashLog]: Math.min(Math.max(10, log - 1), MAX_HASH_LOG),
    [constants.ZSTD_c_chainLog]: Math.min(log + 1, MAX_CHAIN_LOG),
    [constants.ZSTD_c_enableLongDistanceMatching]: NO_LONG_DISTANCE,
  };
  return compress(content, {
    chunkSize: Math.max(1024, content.length + (content.length >> 7) + 1024),
    pledgedSrcSize: content.length,
    ...(dictionary === undefined ? {} : { dictionary }),
    params: {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_contentSizeFlag]: 1,
      [constants.ZSTD_c_checksumFlag]: 1,
      ...(dictionary === undefined ? {} : wide),
    },
  });
}

/** The smallest power of two that holds `bytes`, as far as windows go. */
function logOf(bytes: number): number {
  return Math.min(WINDOW_LOG, Math.max(10, Math.ceil(Math.log2(bytes))));
}

/** Unpacks in this process. Throws `DeltaError` DELTA_REFUSED. */
export const inflateHere: Inflate = async (frame, { content, dictionary }) => {
  let result;
  try {
    result = (await decompress(frame, {
      chunkSize: Math.max(64, content),
      maxOutputLength: Math.max(1, content),
      info: true,
      ...(dictionary === undefined ? {} : { dictionary }),
      params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG },
    })) as { buffer: Buffer; engine: { bytesWritten: number } };
  } catch (error) {
    throw refused('has a damaged frame', error);
  }
  if (result.buffer.length !== content || result.engine.bytesWritten !== frame.length) {
    throw refused('has a frame of another size than it tells');
  }
  return result.buffer;
};
