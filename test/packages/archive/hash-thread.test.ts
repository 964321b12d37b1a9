/** Hashing in a thread: the same digests, whatever the pieces, and never a hang. */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { ContentHashes } from '../../../packages/archive/content-hashes.ts';
import { HashThread } from '../../../packages/archive/hash-thread.ts';

const MIB = 1024 * 1024;
const open: { close(): void }[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Bytes of which no two parts are the same. */
function noise(size: number, seed: number): Buffer {
  const bytes = Buffer.alloc(size, `${seed} `);
  for (let at = 0; at + 4 <= size; at += 4096) bytes.writeUInt32LE(at + seed, at);
  return bytes;
}

async function runningThread(): Promise<HashThread> {
  const thread = HashThread.start();
  if (thread === undefined) throw new Error('no thread: expected at least two processors');
  open.push(thread);
  while (!thread.hasRoom(1)) await sleep(1);
  return thread;
}

describe('a thread that hashes', () => {
  it('tells the digest of each string, in pieces of any size, and waits where it has no room', async () => {
    const thread = await runningThread();
    const sizes = [1, 511, MIB, MIB - 1, MIB + 1, 9 * MIB + 7, 3, ...Array<number>(5000).fill(20)];
    const strings = sizes.map((size, index) => noise(size, index));
    const found = strings.map((bytes, index) => {
      const into = { sha256: '' };
      thread.begin(bytes.length, into);
      const step = index % 2 === 0 ? bytes.length : 300_000;
      for (let at = 0; at < bytes.length; at += step) thread.update(bytes.subarray(at, at + step));
      return into;
    });
    await thread.finish();
    expect(found.map((each) => each.sha256)).toEqual(strings.map(sha256));
  });

  it('says so when the thread has ended', async () => {
    const thread = await runningThread();
    thread.close();
    await sleep(50);
    thread.begin(4, { sha256: '' });
    thread.update(Buffer.from('four'));
    await expect(thread.finish()).rejects.toThrow('the thread that hashes does not go on');
  });
});

describe('hashes of many files', () => {
  it.each([
    ['few bytes, here', 1000],
    ['many bytes, in a thread once it runs', 64 * MIB],
  ])('are the same for %s', async (_name, bytes) => {
    const hashes = new ContentHashes(bytes);
    open.push(hashes);
    const found = [];
    // Long enough for the thread to take over in the middle.
    for (let index = 0; index < 60; index += 1) {
      const file = noise((index % 7) * 50_000, index);
      const into = { sha256: '' };
      hashes.begin(file.length, into);
      hashes.update(file.subarray(0, 10));
      if (file.length > 10) hashes.update(file.subarray(10));
      found.push({ into, wanted: sha256(file) });
      await sleep(1);
    }
    await hashes.finish();
    expect(found.map(({ into }) => into.sha256)).toEqual(found.map(({ wanted }) => wanted));
  });
});
