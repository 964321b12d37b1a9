/** Files that were taken over from the base, held to their digests here and in a thread. */
import { createHash } from 'node:crypto';
import { mkdirSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ListingEntry } from '@landfall/archive';
import { afterEach, describe, expect, it } from 'vitest';
import { BaseChecks, type Taken } from '../../../packages/delta/base-checks.ts';
import { temporaryFolder } from '../../harness/temporary.ts';

const MIB = 1024 * 1024;
const open: BaseChecks[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

interface Made {
  file: Taken;
  entry: ListingEntry;
}

function fileOf(size: number, name: string): Made {
  const path = join(temporaryFolder(), 'file');
  const bytes = Buffer.alloc(size, `${name} `);
  writeFileSync(path, bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const { dev, ino } = statSync(path);
  return {
    file: { path, size, sha256, only: { dev, ino } },
    entry: { path: name, type: 'file', mode: 0o644, size, sha256 },
  };
}

function newChecks(bytes: number): BaseChecks {
  const checks = new BaseChecks(bytes);
  open.push(checks);
  return checks;
}

/** Checks whose thread runs. */
async function runningChecks(): Promise<BaseChecks> {
  const checks = newChecks(64 * MIB);
  while (!checks.isApart) await sleep(1);
  return checks;
}

describe.each([
  ['here', () => newChecks(1000)],
  ['in a thread', runningChecks],
])('files that are read %s', (_where, make) => {
  it('are found as they are listed, of any size and number', async () => {
    const checks = await make();
    const sizes = [0, 1, MIB, MIB + 1, 3 * MIB, 9 * MIB, ...Array<number>(400).fill(100)];
    for (const [index, size] of sizes.entries()) {
      const { file, entry } = fileOf(size, `file ${index}`);
      checks.add(file, entry);
    }
    expect(await checks.settle()).toBeUndefined();
  });

  it.each([
    ['other bytes', ({ file }: Made) => ({ ...file, sha256: 'ab'.repeat(32) })],
    ['fewer bytes', ({ file }: Made) => ({ ...file, size: 2 * MIB })],
    ['more bytes', ({ file }: Made) => ({ ...file, size: MIB - 1 })],
    ['another file in its place', ({ file }: Made) => ({ ...file, only: { dev: 1, ino: 1 } })],
    ['nothing in its place', ({ file }: Made) => ({ ...file, path: `${file.path}.gone` })],
    [
      'a folder in its place',
      ({ file }: Made) => (mkdirSync(`${file.path}.d`), { ...file, path: `${file.path}.d` }),
    ],
    [
      'a link in its place',
      ({ file }: Made) => (
        symlinkSync(file.path, `${file.path}.l`),
        { ...file, path: `${file.path}.l` }
      ),
    ],
  ])('are named, with %s', async (_what, spoil) => {
    const checks = await make();
    const spoilt = fileOf(MIB, 'spoilt');
    const good = fileOf(9, 'good');
    checks.add(good.file, good.entry);
    checks.add(spoil(spoilt), spoilt.entry);
    checks.add(good.file, good.entry);
    expect(await checks.settle()).toBe(spoilt.entry);
    expect(checks.wrong).toBe(spoilt.entry);
  });
});

it('says so when the thread ends before all was read', async () => {
  const checks = await runningChecks();
  const { file, entry } = fileOf(0, 'long');
  // All holes: it takes the thread far longer than to be told to end.
  const size = 64 * 1024 * MIB;
  truncateSync(file.path, size);
  checks.add({ ...file, size }, entry);
  const [settled] = await Promise.allSettled([checks.settle(), checks.close()]);
  expect(settled).toMatchObject({
    status: 'rejected',
    reason: {
      code: 'DELTA_IO',
      message: 'the thread that reads the base has ended',
      hint: expect.stringContaining('run the command again'),
    },
  });
});
