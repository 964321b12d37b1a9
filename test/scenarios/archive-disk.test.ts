/** A disk that is full or read-only, or whose files can share blocks, under packing, extraction and deltas. */
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { extractTree, packTree, planTree } from '@landfall/archive';
import { describe, expect, it, onTestFinished } from 'vitest';
import { CrashDisk, imageFolder } from '../harness/crash-disk.ts';
import { errorOf } from '../harness/errors.ts';
import { temporaryFolder } from '../harness/temporary.ts';
import { folderOf, MTIME, pack } from '../packages/archive/helpers.ts';
import { apply, deltaOf, signed } from '../packages/delta/scene.ts';

/** A mounted disk of its own, unmounted when the test ends. Needs root. */
function smallDisk(options: string): string {
  const disk = join(temporaryFolder(), 'disk');
  mkdirSync(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'landfall-test', disk]);
  onTestFinished(() => void execFileSync('umount', [disk]));
  return disk;
}

/** Noise that does not compress. */
const NOISE = Buffer.alloc(3 * 1024 * 1024);
for (let at = 0; at < NOISE.length; at += 4)
  NOISE.writeUInt32LE(Math.imul(at, 2_654_435_761) >>> 0, at);

describe('a full disk', () => {
  it('ends packing with a clear error, and nothing is left', async () => {
    const disk = smallDisk('size=1m');
    const noisy = Buffer.from(NOISE.map((byte, index) => byte ^ ((index * 2_246_822_519) >>> 13)));
    const plan = planTree({ parts: [{ from: folderOf({ a: noisy }), at: '' }] });
    const error = await errorOf(() =>
      packTree(plan, join(disk, 'ui.tar.gz'), { mtime: MTIME, compression: 'gzip' }),
    );
    expect(error).toMatchObject({
      code: 'ARCHIVE_IO',
      exit: 1,
      hint: expect.stringContaining('free some space'),
    });
    expect(error.message).toContain('no space left on the device');
    expect(readdirSync(disk)).toEqual([]);
  });

  it('ends extraction with a clear error that names the file', async () => {
    const packed = await pack(folderOf({ 'assets/big': NOISE }));
    const staging = join(smallDisk('size=1m'), 'staging');
    mkdirSync(staging);
    const error = await errorOf(() => extractTree(packed.path, staging, { expect: packed.tree }));
    expect(error).toMatchObject({ code: 'ARCHIVE_IO', exit: 1 });
    expect(error.message).toBe("'assets/big': no space left on the device");
  });

  it.each([
    ['a file that is new', { small: 'small' }, { small: 'small', 'assets/big': NOISE }],
    ['a file that stays', { 'assets/big': NOISE }, { 'assets/big': NOISE, small: 'small' }],
  ])('ends a delta with a clear error that names %s', async (_which, old, fresh) => {
    const [from, to] = [signed(old), signed(fresh)];
    const delta = await deltaOf(from, to);
    const into = join(smallDisk('size=1m'), 'staging');
    mkdirSync(into);
    // No fault of the delta's: a node tries it again when there is room.
    const error = await errorOf(() => apply(delta, from, to, { into }));
    expect(error).toMatchObject({ code: 'DELTA_IO', exit: 1 });
    expect(error.message).toBe("'assets/big': no space left on the device");
    expect(signed(old).info).toEqual(from.info);
  });

  it('without inodes says so as well', async () => {
    const files = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`f${index}`, '']));
    const packed = await pack(folderOf(files));
    const staging = join(smallDisk('size=1m,nr_inodes=20'), 'staging');
    mkdirSync(staging);
    const error = await errorOf(() => extractTree(packed.path, staging, { expect: packed.tree }));
    expect(error.message).toMatch(/^'f\d+': no space left on the device$/);
  });
});

describe('a read-only disk', () => {
  it('ends packing and extraction with a clear error', async () => {
    const packed = await pack(folderOf({ a: 'x' }));
    const disk = smallDisk('size=1m,ro');
    const plan = planTree({ parts: [{ from: folderOf({ a: 'x' }), at: '' }] });
    const packing = await errorOf(() =>
      packTree(plan, join(disk, 'ui.tar.zst'), { mtime: MTIME, compression: 'zstd' }),
    );
    const extraction = await errorOf(() => extractTree(packed.path, disk, { expect: packed.tree }));
    for (const error of [packing, extraction]) {
      expect(error).toMatchObject({ code: 'ARCHIVE_IO' });
      expect(error.message).toContain('the file system is read-only');
    }
  });
});

describe('a file system whose files can share blocks', () => {
  it('has clones of files that were there: each can be changed without the other', async () => {
    const disk = new CrashDisk(join(temporaryFolder(), 'disk'), imageFolder(), 'xfs');
    disk.format();
    const [base, staging] = [join(disk.mount, 'base'), join(disk.mount, 'staging')];
    const source = folderOf({ 'assets/big': NOISE, small: 'small' });
    const packed = await pack(source);
    cpSync(source, base, { recursive: true });
    mkdirSync(staging);
    disk.sync();
    const free = (): number => statfsSync(disk.mount).bfree * statfsSync(disk.mount).bsize;
    const before = free();
    let shared = 0;
    const reuse = { directory: base, onShared: () => (shared += 1) };
    await extractTree(packed.path, staging, { expect: packed.tree, reuse });
    disk.sync();
    expect(shared).toBe(2);
    expect(before - free()).toBeLessThan(NOISE.length / 2);
    expect(statSync(join(staging, 'assets/big'))).toMatchObject({ nlink: 1, mode: 0o100644 });
    appendFileSync(join(base, 'assets/big'), 'more');
    expect(readFileSync(join(staging, 'assets/big')).equals(NOISE)).toBe(true);
  });

  it('has clones of what a delta keeps, and each is checked', async () => {
    const disk = new CrashDisk(join(temporaryFolder(), 'disk'), imageFolder(), 'xfs');
    disk.format();
    const [from, to] = [
      signed({ 'assets/big': NOISE, small: 'small' }),
      signed({ 'assets/big': NOISE, small: 'other' }),
    ];
    const delta = await deltaOf(from, to);
    const root = join(disk.mount, 'base');
    cpSync(from.tree.root, root, { recursive: true });
    const base = { ...from, tree: { ...from.tree, root } };
    const into = (name: string): string => {
      mkdirSync(join(disk.mount, name));
      return join(disk.mount, name);
    };
    let shared = 0;
    const onShared = (bytes: number): void => void (shared += bytes);
    const first = into('first');
    await apply(delta, base, to, { into: first, onShared });
    expect(shared).toBe(NOISE.length);
    expect(statSync(join(first, 'assets/big'))).toMatchObject({ nlink: 1, mode: 0o100644 });
    expect(readFileSync(join(first, 'assets/big')).equals(NOISE)).toBe(true);

    const spoilt = Buffer.from(NOISE);
    spoilt[spoilt.length - 1] = 1 + (spoilt.at(-1) ?? 0);
    writeFileSync(join(root, 'assets/big'), spoilt);
    const error = await errorOf(() => apply(delta, base, to, { into: into('second') }));
    expect(error).toMatchObject({ code: 'DELTA_BASE' });
    expect(error.message).toContain("'assets/big'");
  });
});
