/**
 * The reader's own walk over zstd frames and gzip members: every byte is
 * accounted for, whoever compressed the archive.
 */
import { createCipheriv, createHash } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants, crc32, deflateRawSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { type ArchiveError, gateArchive, packFile } from '@landfall/archive';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../harness/errors.ts';
import { directory, file, ROOT, tar } from '../../harness/tar-builder.ts';
import { seekTable, skippableFrame, zeroFrame, zstdFrame } from '../../harness/zstd-builder.ts';
import { fileOf, folderOf, pack } from './helpers.ts';

const MIB = 1024 * 1024;
const TAR = tar([ROOT, directory('./a/'), file('./a/b', 'hello'.repeat(1000)), file('./z', 'end')]);
const HALF = Math.floor(TAR.length / 2) + 7;
const [FIRST, SECOND] = [TAR.subarray(0, HALF), TAR.subarray(HALF)];
const FRAME = zstdFrame(TAR);
const TABLE = seekTable([[FRAME.length, TAR.length]]);

/** A gzip member with any header flags; `extra` goes right after the fixed part. */
function member(content: Buffer, flags = 0, extra = Buffer.alloc(0)): Buffer {
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(content), 0);
  trailer.writeUInt32LE(content.length, 4);
  const head = Buffer.from([0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 255]);
  return Buffer.concat([head, extra, deflateRawSync(content), trailer]);
}

/** A member that tells its size as ours do, or another size. */
function sizedMember(content: Buffer, told?: number): Buffer {
  const extra = Buffer.from([8, 0, 0x4c, 0x46, 4, 0, 0, 0, 0, 0]);
  extra.writeUInt32LE(told ?? member(content, 4, extra).length, 6);
  return member(content, 4, extra);
}

const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const changed = (bytes: Buffer, at: number, value: number): Buffer => {
  const copy = Buffer.from(bytes);
  copy[at < 0 ? copy.length + at : at] = value;
  return copy;
};

describe('the ranges of a packed file', () => {
  it('hold whole frames of at least 4 MiB, the last the seek table too, and are all of it', async () => {
    const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16));
    const noise = cipher.update(Buffer.alloc(17 * MIB));
    const source = fileOf(Buffer.concat([Buffer.alloc(12 * MIB), noise]));
    const out = `${source}.zst`;
    const { size, sha256, frames = [] } = await packFile(source, out, { compression: 'zstd' });
    const bytes = readFileSync(out);
    expect([size, sha256]).toEqual([bytes.length, digestOf(bytes)]);
    let at = 0;
    for (const frame of frames) {
      expect(bytes.readUInt32LE(at)).toBe(0xfd2fb528);
      expect(frame.sha256).toBe(digestOf(bytes.subarray(at, at + frame.size)));
      expect(frame.size).toBeGreaterThan(at + frame.size === size ? 0 : 4 * MIB);
      at += frame.size;
    }
    expect(at).toBe(size);
    // Zeros, and a frame that is half noise; a frame of noise; and the rest, with the table.
    expect(frames).toHaveLength(3);
  });

  it('are what the codec makes of a whole frame in one call, and the same every time', async () => {
    const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16));
    const content = Buffer.from(cipher.update(Buffer.alloc(1.5 * MIB)).toString('hex'));
    const source = fileOf(content);
    const made = async (compression: 'zstd' | 'gzip'): Promise<Buffer> => {
      await packFile(source, `${source}.out`, { compression });
      return readFileSync(`${source}.out`);
    };
    const params = { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 };
    const frame = zstdCompressSync(content, { params });
    expect((await made('zstd')).subarray(0, frame.length).equals(frame)).toBe(true);
    expect((await made('gzip')).subarray(20, -8).equals(deflateRawSync(content))).toBe(true);
    expect((await made('zstd')).equals(await made('zstd'))).toBe(true);
  });

  it('are not told of a file that is one range', async () => {
    const source = fileOf(Buffer.from('hello'));
    const made = await packFile(source, `${source}.zst`, { compression: 'zstd' });
    expect(Object.keys(made)).not.toContain('frames');
  });
});

describe('a well-formed archive is read', () => {
  it.each([
    ['plain', TAR],
    ['one zstd frame', FRAME],
    ['a frame that does not tell its size', zstdFrame(TAR, { size: false })],
    ['a frame without checksum', zstdFrame(TAR, { checksum: false })],
    ['two frames, cut inside a block', Buffer.concat([zstdFrame(FIRST), zstdFrame(SECOND)])],
    [
      'two frames that do not tell their size',
      Buffer.concat([zstdFrame(FIRST, { size: false }), zstdFrame(SECOND, { size: false })]),
    ],
    [
      'an empty frame between',
      Buffer.concat([zstdFrame(FIRST), zstdFrame(Buffer.alloc(0)), zstdFrame(SECOND)]),
    ],
    ['a seek table', Buffer.concat([FRAME, TABLE])],
    [
      'a seek table with checksums',
      Buffer.concat([FRAME, seekTable([[FRAME.length, TAR.length]], { checksums: true })]),
    ],
    ['gzip', gzipSync(TAR)],
    ['two gzip members', Buffer.concat([gzipSync(FIRST), gzipSync(SECOND)])],
    ['an empty gzip member', Buffer.concat([gzipSync(Buffer.alloc(0)), gzipSync(TAR)])],
    ['gzip members that tell their size', Buffer.concat([sizedMember(FIRST), sizedMember(SECOND)])],
    [
      'a gzip member with a name and a comment',
      member(TAR, 24, Buffer.from('ui.tar\0made by hand\0')),
    ],
    [
      'a gzip member with a foreign extra field',
      member(TAR, 4, Buffer.from([4, 0, 0x41, 0x42, 0, 0])),
    ],
  ])('%s', async (_name, bytes) => {
    const report = await gateArchive(fileOf(bytes));
    expect(report.root).toBe('drwxr-xr-x');
    expect(report.listing.map((entry) => entry.path)).toEqual(['.', 'a', 'a/b', 'z']);
    expect(report.tree).toMatchObject({ entries: 4, size: 5003 });
  });

  it('larger than one frame, told or not, on any boundary', async () => {
    const noise = Buffer.alloc(9 * MIB);
    for (let at = 0; at < noise.length; at += 4)
      noise.writeUInt32LE((at * 2_654_435_761) >>> 0, at);
    const bytes = tar([
      ROOT,
      file('./a', noise.toString('latin1').slice(0, 100)),
      file('./b', '', { content: noise }),
    ]);
    const digests = new Set<string>();
    for (const packed of [
      bytes,
      zstdFrame(bytes),
      zstdFrame(bytes, { size: false }),
      gzipSync(bytes),
    ]) {
      digests.add((await gateArchive(fileOf(packed))).tree.digest);
    }
    expect(digests.size).toBe(1);
  });
});

describe('a damaged or hostile zstd file is refused', () => {
  it.each([
    [
      'garbage after the frame',
      Buffer.concat([FRAME, Buffer.from('garbage')]),
      'other data where a frame starts',
    ],
    ['one byte after the frame', Buffer.concat([FRAME, Buffer.from([0])]), 'is truncated'],
    [
      'garbage after a streamed frame',
      Buffer.concat([zstdFrame(TAR, { size: false }), Buffer.from('garbage')]),
      'other data where a frame starts',
    ],
    ['a second archive', Buffer.concat([FRAME, FRAME]), 'has data after its end'],
    [
      'a skippable frame first',
      Buffer.concat([skippableFrame(Buffer.from('x')), FRAME]),
      'is not an archive',
    ],
    [
      'a skippable frame in the middle',
      Buffer.concat([zstdFrame(FIRST), skippableFrame(Buffer.from('x')), zstdFrame(SECOND)]),
      'skippable frame that is not a seek table',
    ],
    [
      'a skippable frame at the end',
      Buffer.concat([FRAME, skippableFrame(Buffer.from('x'.repeat(20)))]),
      'skippable frame that is not a seek table',
    ],
    [
      'a seek table in the middle',
      Buffer.concat([
        zstdFrame(FIRST),
        seekTable([[zstdFrame(FIRST).length, FIRST.length]]),
        zstdFrame(SECOND),
      ]),
      'seek table that does not end',
    ],
    [
      'bytes after the seek table',
      Buffer.concat([FRAME, TABLE, Buffer.from([0])]),
      'seek table that does not end',
    ],
    [
      'a seek table cut short',
      Buffer.concat([FRAME, TABLE.subarray(0, -1)]),
      'seek table that does not end',
    ],
    [
      'a seek table with another compressed size',
      Buffer.concat([FRAME, seekTable([[FRAME.length + 1, TAR.length]])]),
      'other frames',
    ],
    [
      'a seek table with another content size',
      Buffer.concat([FRAME, seekTable([[FRAME.length, TAR.length - 1]])]),
      'other frames',
    ],
    [
      'a seek table with one frame too many',
      Buffer.concat([
        FRAME,
        seekTable([
          [FRAME.length, TAR.length],
          [9, 0],
        ]),
      ]),
      'other frames',
    ],
    [
      'a seek table with another count',
      Buffer.concat([FRAME, seekTable([[FRAME.length, TAR.length]], { count: 2 })]),
      'damaged footer',
    ],
    [
      'a seek table with another magic',
      Buffer.concat([FRAME, seekTable([[FRAME.length, TAR.length]], { magic: 1 })]),
      'damaged footer',
    ],
    [
      'a seek table with reserved bits',
      Buffer.concat([FRAME, seekTable([[FRAME.length, TAR.length]], { descriptor: 1 })]),
      'damaged footer',
    ],
    ['a dictionary', changed(FRAME, 4, (FRAME[4] ?? 0) | 1), 'needs a dictionary'],
    ['a reserved bit', changed(FRAME, 4, (FRAME[4] ?? 0) | 8), 'reserved bits'],
    ['the unused bit', changed(FRAME, 4, (FRAME[4] ?? 0) | 16), 'reserved bits'],
    ['a wrong checksum', changed(FRAME, -1, (FRAME.at(-1) ?? 0) ^ 1), 'damaged zstd frame'],
    [
      'a wrong checksum of a streamed frame',
      changed(zstdFrame(TAR, { size: false }), -1, 0x5a),
      'damaged zstd frame',
    ],
    [
      'a reserved block type',
      Buffer.concat([zeroFrame(0, [0]).subarray(0, 9), Buffer.from([7, 0, 0])]),
      'damaged block',
    ],
    [
      'a block of 2 MiB',
      Buffer.concat([zeroFrame(0, [0]).subarray(0, 9), Buffer.from([1, 0, 0xff])]),
      'damaged block',
    ],
    ['a frame smaller than it tells', zeroFrame(MIB, [1024]), 'damaged zstd frame|another size'],
    ['a frame larger than it tells', zeroFrame(1024, [1024, 1024]), 'damaged'],
    [
      'a streamed frame smaller than it tells',
      zeroFrame(25 * MIB, [1024]),
      'damaged zstd frame|another size',
    ],
    [
      'a window of 2 GiB',
      zeroFrame(undefined, [1024], 31),
      'needs a zstd window of 2147483648 bytes',
    ],
    ['a frame of 4 GiB that tells so', zeroFrame(0xffffffff, [1024]), 'needs a zstd window'],
    [
      'a flood of empty blocks',
      zeroFrame(
        1024,
        Array.from({ length: 50_000 }, () => 0),
      ),
      'far larger than its content',
    ],
    [
      'a flood of empty frames',
      Buffer.concat(Array.from({ length: 9000 }, () => zeroFrame(0, [0]))),
      'more than 8192 frames',
    ],
  ])('%s', async (_name, bytes, message) => {
    const error = await errorOf(() => gateArchive(fileOf(bytes, 'ui.tar.zst')));
    expect(error.message).toMatch(new RegExp(message));
    expect(error).toMatchObject({ code: 'ARCHIVE_REFUSED', exit: 3 });
  });
});

describe('a damaged or hostile gzip file is refused', () => {
  const GZIP = gzipSync(TAR);
  it.each([
    [
      'garbage after the member',
      Buffer.concat([GZIP, Buffer.from('garbage garbage garbage')]),
      'other data where a gzip member starts',
    ],
    ['one byte after the member', Buffer.concat([GZIP, Buffer.from([0])]), 'is truncated'],
    [
      'zeros after the member',
      Buffer.concat([GZIP, Buffer.alloc(64)]),
      'other data where a gzip member starts',
    ],
    ['a second archive', Buffer.concat([GZIP, GZIP]), 'has data after its end'],
    ['a wrong sum', changed(GZIP, -5, (GZIP.at(-5) ?? 0) ^ 1), 'damaged gzip member'],
    ['a wrong length', changed(GZIP, -1, 1), 'damaged gzip member'],
    ['no trailer', GZIP.subarray(0, -8), 'is truncated'],
    ['half a trailer', GZIP.subarray(0, -4), 'is truncated'],
    ['reserved flags', changed(GZIP, 3, 0x20), 'reserved bits'],
    ['another method', changed(GZIP, 2, 7), 'other data where a gzip member starts'],
    ['damaged data', changed(GZIP, 20, (GZIP[20] ?? 0) ^ 0xff), 'damaged gzip member|is truncated'],
    [
      'an endless name',
      Buffer.concat([member(TAR, 8).subarray(0, 10), Buffer.alloc(100_000, 'x')]),
      'damaged gzip header',
    ],
    ['a wrong header sum', member(TAR, 2, Buffer.from([0, 0])), 'damaged gzip header'],
    [
      'a told size that is too small',
      sizedMember(TAR, 40),
      'damaged gzip member|other data|too large',
    ],
    ['a told size that is too large', sizedMember(TAR, 100_000), 'is truncated'],
    ['a told size of 4 GiB', sizedMember(TAR, 0xffffffff), 'impossible size'],
    ['a told size of 0', sizedMember(TAR, 0), 'impossible size'],
    ['a told content size that is wrong', changed(sizedMember(TAR), -3, 0), 'damaged gzip member'],
    [
      'a told content size of 2 GiB',
      changed(sizedMember(TAR), -1, 0x7f),
      'gzip member that is too large',
    ],
  ])('%s', async (_name, bytes, message) => {
    const error = await errorOf(() => gateArchive(fileOf(bytes, 'ui.tar.gz')));
    expect(error.message).toMatch(new RegExp(message));
    expect(error).toMatchObject({ code: 'ARCHIVE_REFUSED', exit: 3 });
  });
});

/** `path`, with other bytes, as a new file: ext4 flushes one that is truncated and written again. */
function rewrite(path: string, bytes: Buffer): string {
  rmSync(path);
  writeFileSync(path, bytes);
  return path;
}

describe('our own archive', () => {
  const noise = Buffer.from(Array.from({ length: 3000 }, (_, index) => (index * 7919) % 251));

  it.each(['zstd', 'gzip'] as const)(
    'of %s is refused when cut at any length',
    async (compression) => {
      const { path } = await pack(folderOf({ 'index.html': noise, 'a/b': 'x' }), compression);
      const whole = readFileSync(path);
      const step = Math.max(1, Math.floor(whole.length / 200));
      for (
        let length = 0;
        length < whole.length;
        length += length < 60 || whole.length - length < 60 ? 1 : step
      ) {
        // Without its seek table the row of frames is whole.
        if (compression === 'zstd' && length === whole.length - 25) continue;
        const error = await errorOf(() => gateArchive(rewrite(path, whole.subarray(0, length))));
        expect(error.code, `cut at ${length}`).toBe('ARCHIVE_REFUSED');
      }
    },
  );

  it.each(['zstd', 'gzip'] as const)(
    'of %s never reads as another tree when a byte is flipped',
    async (compression) => {
      const { path, tree } = await pack(
        folderOf({ 'index.html': noise.subarray(0, 600), 'a/b': 'x' }),
        compression,
      );
      const whole = readFileSync(path);
      let refused = 0;
      for (let at = 0; at < whole.length; at += 1) {
        for (const bit of [1, 0x80]) {
          const outcome = await gateArchive(
            rewrite(path, changed(whole, at, (whole[at] ?? 0) ^ bit)),
          ).then(
            (report) => report.tree.digest,
            (error: ArchiveError) => error.code,
          );
          expect(['ARCHIVE_REFUSED', tree.digest], `byte ${at} bit ${bit}`).toContain(outcome);
          refused += Number(outcome === 'ARCHIVE_REFUSED');
        }
      }
      // Bits that say nothing stay readable: gzip's time, a code that no content uses.
      expect(refused).toBeGreaterThan(whole.length * 2 * 0.95);
    },
  );
});
