/** Files of the base, held to their digests in a thread. */
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ListingEntry } from '@landfall/archive';
import { afterEach, expect, it } from 'vitest';
import { BaseChecks } from '../../../packages/delta/base-checks.ts';
import { temporaryFolder } from '../../harness/temporary.ts';

const MIB = 1024 * 1024;
const open: BaseChecks[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

interface Made {
  fd: number;
  entry: ListingEntry;
}

function fileOf(size: number, name: string): Made {
  const path = join(temporaryFolder(), 'file');
  const bytes = Buffer.alloc(size, `${name} `);
  writeFileSync(path, bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return {
    fd: openSync(path, 'r'),
    entry: { path: name, type: 'file', mode: 0o644, size, sha256 },
  };
}

/** Checks whose thread runs, and has read a file that was taken to find that out. */
async function runningChecks(): Promise<BaseChecks> {
  const checks = new BaseChecks(64 * MIB);
  open.push(checks);
  const { fd, entry } = fileOf(1, 'first');
  while (!checks.take(fd, entry)) await sleep(1);
  expect(await checks.settle(true)).toBeUndefined();
  expect(() => fstatSync(fd)).toThrow('EBADF');
  return checks;
}

it('finds files of any size as they are listed, and closes them', async () => {
  const checks = await runningChecks();
  const sizes = [0, 1, MIB, MIB + 1, 3 * MIB, ...Array<number>(300).fill(100)];
  const files = sizes.map((size, index) => fileOf(size, `file ${index}`));
  for (const { fd, entry } of files) expect(checks.take(fd, entry)).toBe(true);
  expect(await checks.settle(true)).toBeUndefined();
  for (const { fd } of files) expect(() => fstatSync(fd)).toThrow('EBADF');
});

it.each([
  ['other bytes', ({ fd, entry }: Made) => ({ fd, entry: { ...entry, sha256: 'ab'.repeat(32) } })],
  ['fewer bytes', ({ fd, entry }: Made) => ({ fd, entry: { ...entry, size: 2 * MIB } })],
  [
    'what cannot be read',
    ({ fd, entry }: Made) => {
      closeSync(fd);
      return { fd: openSync(temporaryFolder(), 'r'), entry };
    },
  ],
])('names a file with %s', async (_what, spoil) => {
  const checks = await runningChecks();
  const spoilt = spoil(fileOf(MIB, 'spoilt'));
  for (const { fd, entry } of [fileOf(9, 'good'), spoilt, fileOf(9, 'also good')]) {
    expect(checks.take(fd, entry)).toBe(true);
  }
  expect(await checks.settle(true)).toBe(spoilt.entry);
});

it('leaves files to the caller where there is little to read, and closes what it took when it ends early', async () => {
  const few = new BaseChecks(1000);
  open.push(few);
  await sleep(50);
  const { fd, entry } = fileOf(5, 'small');
  expect(few.take(fd, entry)).toBe(false);
  const checks = await runningChecks();
  expect(checks.take(fd, entry)).toBe(true);
  await checks.close();
  open.splice(open.indexOf(checks), 1);
  expect(() => fstatSync(fd)).toThrow('EBADF');
});

it('says so when the thread ends before all was read', async () => {
  const checks = await runningChecks();
  const path = join(temporaryFolder(), 'long');
  writeFileSync(path, '');
  // All holes: it takes the thread far longer than to be told to end.
  const size = 64 * 1024 * MIB;
  truncateSync(path, size);
  const entry: ListingEntry = { path: 'long', type: 'file', mode: 0o644, size, sha256: '' };
  expect(checks.take(openSync(path, 'r'), entry)).toBe(true);
  const [settled] = await Promise.allSettled([checks.settle(true), checks.close()]);
  open.splice(open.indexOf(checks), 1);
  expect(settled).toMatchObject({
    status: 'rejected',
    reason: {
      code: 'DELTA_IO',
      message: 'the thread that reads the base has ended',
      hint: expect.stringContaining('run the command again'),
    },
  });
});
