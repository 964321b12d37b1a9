/** Builds zstd frames by hand (RFC 8878), right or wrong, to attack the reader with. */
import { constants, zstdCompressSync } from 'node:zlib';

/** A frame as libzstd makes it in one go: content size told, checksum unless told otherwise. */
export function zstdFrame(
  content: Buffer,
  options: { size?: boolean; checksum?: boolean } = {},
): Buffer {
  return zstdCompressSync(content, {
    ...(options.size === false ? {} : { pledgedSrcSize: content.length }),
    params: {
      [constants.ZSTD_c_checksumFlag]: options.checksum === false ? 0 : 1,
      [constants.ZSTD_c_contentSizeFlag]: options.size === false ? 0 : 1,
    },
  });
}

/** A frame of blocks that each repeat a zero `run` times (at most 128 KiB). `told`: content size in the header, none for undefined. */
export function zeroFrame(
  told: number | undefined,
  runs: readonly number[],
  windowLog = 17,
): Buffer {
  const header =
    told === undefined
      ? Buffer.from([0x00, (windowLog - 10) << 3])
      : Buffer.from([0xa0, 0, 0, 0, 0]);
  if (told !== undefined) header.writeUInt32LE(told, 1);
  const blocks = runs.map((run, index) => {
    const block = Buffer.alloc(4);
    block.writeUIntLE((run << 3) | 2 | (index === runs.length - 1 ? 1 : 0), 0, 3);
    return block;
  });
  return Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), header, ...blocks]);
}

export function skippableFrame(content: Buffer, magic = 0x184d2a50): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(magic, 0);
  head.writeUInt32LE(content.length, 4);
  return Buffer.concat([head, content]);
}

/** zstd's seek table for frames of [compressed, content] bytes, with checksums (of zeros) if told. */
export function seekTable(
  frames: readonly (readonly [number, number])[],
  options: { checksums?: boolean; count?: number; descriptor?: number; magic?: number } = {},
): Buffer {
  const numbers = frames.flatMap(([compressed, content]) =>
    options.checksums === true ? [compressed, content, 0] : [compressed, content],
  );
  const body = Buffer.alloc(numbers.length * 4 + 9);
  numbers.forEach((number, index) => body.writeUInt32LE(number, index * 4));
  body.writeUInt32LE(options.count ?? frames.length, body.length - 9);
  body.writeUInt8(options.descriptor ?? (options.checksums === true ? 0x80 : 0), body.length - 5);
  body.writeUInt32LE(options.magic ?? 0x8f92eab1, body.length - 4);
  return skippableFrame(body, 0x184d2a5e);
}
