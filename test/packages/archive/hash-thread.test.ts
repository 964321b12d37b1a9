/** Hashing and writing in a thread: the same digests and bytes, whatever the pieces, and never a hang. */
import { createHash } from 'node:crypto';
import { constants, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { ContentHashes } from '../../../packages/archive/content-hashes.ts';
import { hashSlots, PART_NUMBERS, type Shared } from '../../../packages/archive/hash-slots.ts';
import { HashThread } from '../../../packages/archive/hash-thread.ts';
import { startThread } from '../../../packages/archive/thread.ts';
import { temporaryFolder } from '../../harness/temporary.ts';

const MIB = 1024 * 1024;
const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

const openFiles = (): number => readdirSync('/proc/self/fd').length;

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
  while (!thread.hasRoom()) await sleep(1);
  return thread;
}

describe('a thread that hashes', () => {
  it('tells the digest of each string, in pieces of any size, and waits where it has no room', async () => {
    const thread = await runningThread();
    const sizes = [1, 511, MIB, MIB - 1, MIB + 1, 9 * MIB + 7, 3, ...Array<number>(5000).fill(20)];
    const strings = sizes.map((size, index) => noise(size, index));
    const found = strings.map((bytes, index) => {
      const into = { path: 'file', sha256: '' };
      thread.begin(bytes.length, into);
      const step = index % 2 === 0 ? bytes.length : 300_000;
      for (let at = 0; at < bytes.length; at += step) thread.update(bytes.subarray(at, at + step));
      return into;
    });
    await thread.finish();
    expect(found.map((each) => each.sha256)).toEqual(strings.map(sha256));
  });

  it('writes each string to its file, at either side, and closes it', async () => {
    const thread = await runningThread();
    const folder = temporaryFolder();
    const before = openFiles();
    // More than the slots hold: while the thread is behind, the rest is written here.
    const sizes = [9 * MIB + 7, 1, MIB, 3 * MIB, ...Array<number>(500).fill(300)];
    const files = sizes.map((size, index) => ({
      path: join(folder, String(index)),
      bytes: noise(size, index),
      sha256: '',
    }));
    for (const file of files) {
      thread.begin(file.bytes.length, file, openSync(file.path, 'wx'));
      for (let at = 0; at < file.bytes.length; at += 700_000) {
        thread.update(file.bytes.subarray(at, at + 700_000));
      }
    }
    await thread.finish();
    expect(openFiles()).toBe(before);
    for (const { path, bytes, sha256: found } of files) {
      expect(readFileSync(path).equals(bytes)).toBe(true);
      expect(found).toBe(sha256(bytes));
    }
  });

  it('names the file that could not be written, wherever it was', async () => {
    const thread = await runningThread();
    const folder = temporaryFolder();
    const before = openFiles();
    for (const [path, to] of [
      ['good', join(folder, 'good')],
      ['bad', '/dev/full'],
      ['next', join(folder, 'next')],
    ] as const) {
      const fd = openSync(to, constants.O_WRONLY | constants.O_CREAT);
      thread.begin(3, { path, sha256: '' }, fd);
      thread.update(Buffer.from('abc'));
    }
    await expect(thread.finish()).rejects.toMatchObject({
      code: 'ARCHIVE_IO',
      message: expect.stringMatching(/^'bad': .*no space/),
    });
    await thread.close();
    expect(openFiles()).toBeLessThan(before);
  });

  it('touches nothing when it is woken for nothing', async () => {
    const numbers = (count: number): Int32Array<SharedArrayBuffer> =>
      new Int32Array(new SharedArrayBuffer(count * 4));
    const shared: Shared = {
      slots: 1,
      ready: numbers(1),
      submitted: numbers(1),
      done: numbers(1),
      content: new Uint8Array(new SharedArrayBuffer(8)),
      parts: new Float64Array(new SharedArrayBuffer(8 * (1 + PART_NUMBERS))),
      digests: new Uint8Array(new SharedArrayBuffer(32)),
      failed: numbers(2),
    };
    const worker = startThread(`(${hashSlots.toString()})()`, shared);
    open.push({ close: async () => void (await worker?.terminate()) });
    while (Atomics.notify(shared.submitted, 0) === 0) await sleep(1);
    // Until it waits again, or has gone on.
    while (Atomics.notify(shared.submitted, 0) === 0) await sleep(1);
    expect(shared.done[0]).toBe(0);
    Atomics.add(shared.submitted, 0, 1);
    Atomics.notify(shared.submitted, 0);
    while (Atomics.load(shared.done, 0) === 0) await sleep(1);
    expect(shared.done[0]).toBe(1);
  });

  it('says so when the thread has ended', async () => {
    const thread = await runningThread();
    await thread.close();
    await sleep(50);
    thread.begin(4, { path: 'four', sha256: '' });
    thread.update(Buffer.from('four'));
    await expect(thread.finish()).rejects.toThrow(
      'the thread that hashes and writes does not go on',
    );
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
      const into = { path: 'file', sha256: '' };
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
