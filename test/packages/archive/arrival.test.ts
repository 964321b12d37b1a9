/**
 * Archives that are read while they come in: what has not come is rubbish until it
 * does, so whoever reads it early is found out.
 */
import { createHash } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type Arrival, extractFile, extractTree, gateArchive, packFile } from '@landfall/archive';
import { describe, expect, it, onTestFinished } from 'vitest';
import { errorOf } from '../../harness/errors.ts';
import { file, ROOT, tar } from '../../harness/tar-builder.ts';
import { temporaryFolder } from '../../harness/temporary.ts';
import { zstdFrame } from '../../harness/zstd-builder.ts';
import { emptyDirectory, fileOf, folderOf, pack, WEB_UI } from './helpers.ts';

const RUBBISH = 0xa5;

interface Coming extends Arrival {
  fd: number;
  /** How much of it was waited for. */
  asked: number[];
}

/** `bytes` as a file that has what was waited for, and `more` bytes with it; all of it fails from `end` on. */
function coming(bytes: Buffer, more = 0, end = Number.POSITIVE_INFINITY): Coming {
  const fd = openSync(join(temporaryFolder(), 'coming'), 'w+');
  onTestFinished(() => closeSync(fd));
  ftruncateSync(fd, 0);
  writeSync(fd, Buffer.alloc(bytes.length, RUBBISH), 0, bytes.length, 0);
  let here = 0;
  const asked: number[] = [];
  return {
    fd,
    asked,
    size: bytes.length,
    get here() {
      return here;
    },
    async until(wanted) {
      asked.push(wanted);
      expect(wanted).toBeGreaterThan(here);
      expect(wanted).toBeLessThanOrEqual(bytes.length);
      await new Promise((resolve) => setImmediate(resolve));
      if (wanted > end) throw new Error('the line is dead');
      const reached = Math.min(bytes.length, wanted + more);
      writeSync(fd, bytes, here, reached - here, here);
      here = reached;
    },
  };
}

/** Does not compress. */
const NOISE = createHash('shake256', { outputLength: 500_000 }).digest();
const TEXT = NOISE.toString('hex');

/** Larger than a frame, and of all sizes of blocks. */
function largeTree(): string {
  return folderOf({
    ...WEB_UI,
    'a/zeros': Buffer.alloc(9_000_000),
    'b/noise': NOISE,
    'c/text': 'hello, world\n'.repeat(700_000),
  });
}

describe('an archive that is still coming in', () => {
  it.each([
    ['zstd', 0],
    ['zstd', 1000],
    ['zstd', 1_000_000],
    ['gzip', 0],
    ['gzip', 70_000],
  ] as const)('is read as it comes: %s, with %d bytes to spare', async (compression, more) => {
    const { path, tree: expected } = await pack(largeTree(), compression);
    const arrival = coming(readFileSync(path), more);
    const options = { expect: expected, arrival };
    const { tree, listing } = await extractTree(arrival.fd, emptyDirectory(), options);
    expect(tree).toEqual(expected);
    expect(listing).toEqual((await gateArchive(path)).listing);
    expect(arrival.here).toBe(arrival.size);
    // Not all of it at once.
    expect(arrival.asked[0]).toBeLessThan(arrival.size / 10);
  });

  it('is read as it comes, whoever compressed it: a frame that does not tell its size', async () => {
    const bytes = zstdFrame(tar([ROOT, file('./a', TEXT)]), { size: false });
    const { tree } = await gateArchive(fileOf(bytes));
    const arrival = coming(bytes);
    await extractTree(arrival.fd, emptyDirectory(), { expect: tree, arrival });
    expect(arrival.asked.length).toBeGreaterThan(3);
  });

  it('is waited for whole where it is not compressed, or unpacked elsewhere', async () => {
    const plain = tar([ROOT, file('./a', 'hello')]);
    const { tree } = await gateArchive(fileOf(plain));
    const arrival = coming(plain);
    await extractTree(arrival.fd, emptyDirectory(), { expect: tree, arrival });
    expect(arrival.asked).toContain(plain.length);
    const packed = zstdFrame(plain);
    const other = coming(packed);
    const unpack = async function* unpack(): AsyncGenerator<Buffer> {
      expect(other.here).toBe(packed.length);
      yield plain;
    };
    await extractTree(other.fd, emptyDirectory(), { expect: tree, arrival: other, unpack });
  });

  it('is read as it comes when it is one file', async () => {
    const content = Buffer.from('hello, world\n'.repeat(1_500_000));
    const source = fileOf(content);
    const packed = await packFile(source, `${source}.zst`, { compression: 'zstd' });
    const arrival = coming(readFileSync(`${source}.zst`));
    const out = join(temporaryFolder(), 'program');
    const { contentSha256, contentSize } = packed;
    await extractFile(arrival.fd, out, { mode: 0o755, contentSha256, contentSize, arrival });
    expect(readFileSync(out).equals(content)).toBe(true);
    expect(arrival.asked.length).toBeGreaterThan(3);
  });

  it('that does not come is given up with the reason, whatever was made of it', async () => {
    const { path, tree } = await pack(largeTree());
    const bytes = readFileSync(path);
    for (const part of [0, 0.3, 0.9, 0.999]) {
      const arrival = coming(bytes, 0, Math.floor(bytes.length * part));
      const options = { expect: tree, arrival };
      const extraction = extractTree(arrival.fd, emptyDirectory(), options);
      await expect(extraction).rejects.toThrow('the line is dead');
    }
  });

  it('is refused for what came of it, without waiting for the rest', async () => {
    const start = zstdFrame(tar([ROOT, file('./a', TEXT)]));
    const arrival = coming(Buffer.concat([start, NOISE]));
    const tree = { digest: 'a'.repeat(64), size: TEXT.length, entries: 2 };
    const options = { expect: tree, arrival };
    const error = await errorOf(() => extractTree(arrival.fd, emptyDirectory(), options));
    expect([error.code, error.message]).toEqual([
      'ARCHIVE_REFUSED',
      expect.stringContaining('other data where a frame starts'),
    ]);
    expect(arrival.here).toBe(start.length + 4);
  });
});
