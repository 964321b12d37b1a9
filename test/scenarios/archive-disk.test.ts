/** A disk that is full or read-only, under packing and extraction. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { extractTree, packTree, planTree } from '@landfall/archive';
import { describe, expect, it, onTestFinished } from 'vitest';
import { errorOf } from '../harness/errors.ts';
import { temporaryFolder } from '../harness/temporary.ts';
import { folderOf, MTIME, pack } from '../packages/archive/helpers.ts';

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
