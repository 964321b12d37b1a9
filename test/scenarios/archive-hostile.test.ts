/** Hostile archives cost neither time nor memory, and honest large ones no memory either. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { runArchive } from '../harness/archive.ts';
import { file, pax, ROOT, tar } from '../harness/tar-builder.ts';
import { temporaryFolder } from '../harness/temporary.ts';
import { zeroFrame, zstdFrame } from '../harness/zstd-builder.ts';
import { fileOf } from '../packages/archive/helpers.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const header = (size: number): Buffer =>
  tar([ROOT, file('./zeros', '', { size })], Buffer.alloc(0));
const zeros = (bytes: number): number[] => Array.from({ length: bytes / 131_072 }, () => 131_072);
const repeated = (count: number, entry: Buffer): Buffer[] =>
  Array.from({ length: count }, () => entry);
/** A root and `count` files of one byte, with a tail to each name. One header is made; numbers and sum are written into copies. */
const flood = (count: number, tail = ''): string => {
  const path = join(temporaryFolder(), 'flood.tar');
  const fd = openSync(path, 'w');
  writeSync(fd, ROOT);
  const first = file(`./f00000000${tail}`, 'x');
  const sum = Number.parseInt(first.toString('latin1', 148, 154), 8);
  const piece = Buffer.alloc(first.length * 1000);
  for (let at = 0; at < count; at += 1) {
    const digits = String(at).padStart(8, '0');
    const risen = sum + digits.split('').reduce((total, digit) => total + Number(digit), 0);
    const start = first.copy(piece, (at % 1000) * first.length) * (at % 1000);
    piece.write(digits, start + 3);
    piece.write(risen.toString(8).padStart(6, '0'), start + 148);
    if (at % 1000 === 999) writeSync(fd, piece);
  }
  closeSync(fd);
  return path;
};

describe('a hostile archive costs neither time nor memory', () => {
  it.each<readonly [string, () => string, RegExp]>([
    [
      'a bomb of one streamed frame',
      () =>
        fileOf(Buffer.concat([zstdFrame(header(4 * GIB)), zeroFrame(undefined, zeros(4 * GIB))])),
      /250 times its size/,
    ],
    [
      'a bomb of many whole frames',
      () =>
        fileOf(
          Buffer.concat([
            zstdFrame(header(4 * GIB)),
            ...Array.from({ length: 512 }, () => zeroFrame(8 * MIB, zeros(8 * MIB))),
          ]),
        ),
      /250 times its size/,
    ],
    [
      'a bomb of the largest frames that are unpacked whole',
      () =>
        fileOf(
          Buffer.concat([
            zstdFrame(header(4 * GIB)),
            ...Array.from({ length: 170 }, () => zeroFrame(24 * MIB, zeros(24 * MIB))),
          ]),
        ),
      /250 times its size/,
    ],
    [
      'a gzip bomb',
      () => fileOf(gzipSync(Buffer.concat([header(128 * MIB), Buffer.alloc(128 * MIB)]))),
      /250 times its size/,
    ],
    ['a flood of entries', () => flood(130_000), /more than 120000 entries/],
    ['a flood of long names', () => flood(119_000, '\u00DC'.repeat(44)), /is truncated/],
    [
      'a flood of pax headers',
      () => fileOf(tar([ROOT, ...repeated(20_000, pax({ comment: 'c' }))])),
      /two pax headers in a row/,
    ],
    [
      'a flood of wrong entries',
      () => fileOf(tar([ROOT, ...repeated(100_000, file('../../etc/passwd'))])),
      /and 99996 more problems/,
    ],
  ])('%s', (_name, make, message) => {
    const path = make();
    const started = performance.now();
    const { result, maxRss } = runArchive(['gate', path]);
    expect(result['message']).toMatch(message);
    expect(result['code']).toBe('ARCHIVE_REFUSED');
    expect(performance.now() - started).toBeLessThan(20_000);
    expect(maxRss).toBeLessThan(150e6);
  });

  it('and a large honest one is read in constant memory', () => {
    const path = join(temporaryFolder(), 'large.tar');
    const fd = openSync(path, 'w');
    const bytes = 256 * MIB;
    writeSync(fd, tar([ROOT, file('./large', '', { size: bytes })], Buffer.alloc(0)));
    writeSync(fd, Buffer.alloc(1024), 0, 1024, 1024 + bytes);
    closeSync(fd);
    const { result, maxRss } = runArchive(['gate', path]);
    expect(result).toMatchObject({ size: bytes, entries: 2 });
    expect(maxRss).toBeLessThan(150e6);
  });
});
