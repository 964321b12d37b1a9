/** What drives a decompressing stream holds nothing for the pieces that it was given. */
import { createZstdDecompress } from 'node:zlib';
import { expect, it } from 'vitest';
import { Inflater } from '../../../packages/archive/inflater.ts';
import { bytesInUse } from '../../harness/heap.ts';
import { zeroFrame } from '../../harness/zstd-builder.ts';

const START = zeroFrame(undefined, []);
const EMPTY_BLOCK = Buffer.alloc(3);
/** An empty block that is the last. */
const END = Buffer.from([1, 0, 0]);

it('leaves nothing behind for each piece, of which an archive may have millions', async () => {
  const inflater = new Inflater(createZstdDecompress());
  const feed = async (pieces: number): Promise<void> => {
    for (let count = 0; count < pieces; count += 1) await inflater.feed(EMPTY_BLOCK);
  };
  await inflater.feed(START);
  await feed(1000);
  const before = bytesInUse();
  await feed(10_000);
  expect(bytesInUse() - before).toBeLessThan(500_000);
  await inflater.feed(END);
  expect(await inflater.finish()).toEqual([]);
  expect(inflater.consumed).toBe(inflater.written);
});

it('tells of a damaged piece once it was fed, and whenever it is asked after that', async () => {
  const inflater = new Inflater(createZstdDecompress());
  await inflater.feed(START);
  // Of a type that there is not.
  const damaged = Buffer.from([7, 0, 0]);
  await expect(inflater.feed(damaged)).rejects.toThrow('corruption');
  await expect(inflater.feed(END)).rejects.toThrow('corruption');
  await expect(inflater.finish()).rejects.toThrow('corruption');
});
