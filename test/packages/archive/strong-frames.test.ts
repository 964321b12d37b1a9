/** How much a frame holds by the level it is compressed at, and that all are read alike. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { extractFile, packFile } from '@landfall/archive';
import { describe, expect, it } from 'vitest';
import { fileOf } from './helpers.ts';

const MIB = 1024 * 1024;
const SIZE = 26 * MIB;
const FOOTER = 9;

/** What each frame holds, as the seek table tells it. */
function contentsOf(bytes: Buffer): number[] {
  const count = bytes.readUInt32LE(bytes.length - FOOTER);
  const table = bytes.length - FOOTER - count * 8;
  return Array.from({ length: count }, (_, index) => bytes.readUInt32LE(table + index * 8 + 4));
}

describe('a file of 26 MiB', () => {
  it.each([
    [3, 8],
    [12, 8],
    [13, 24],
    [19, 24],
  ])('is packed at level %d in frames of %d MiB, and read again', async (level, most) => {
    const content = Buffer.alloc(SIZE, 'hello, world\n');
    const source = fileOf(content);
    const [packed, unpacked] = [`${source}.zst`, `${source}.out`];
    const made = await packFile(source, packed, { compression: 'zstd', level });
    const contents = contentsOf(readFileSync(packed));
    expect(contents).toHaveLength(Math.ceil(SIZE / (most * MIB)));
    expect(contents[0]).toBe(most * MIB);
    const { contentSha256, contentSize } = made;
    await extractFile(packed, unpacked, { mode: 0o644, contentSha256, contentSize });
    expect(readFileSync(unpacked).equals(content)).toBe(true);
    const theirs = execFileSync('zstd', ['-dc', packed], { maxBuffer: 2 * SIZE });
    expect(theirs.equals(content)).toBe(true);
  });
});
