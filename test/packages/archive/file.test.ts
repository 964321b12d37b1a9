/** A component that is one file. */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { extractFile, packFile } from '@landfall/archive';
import { describe, expect, it, onTestFinished } from 'vitest';
import { errorOf } from '../../harness/errors.ts';
import { temporaryFolder } from '../../harness/temporary.ts';
import { zeroFrame, zstdFrame } from '../../harness/zstd-builder.ts';
import { fileOf } from './helpers.ts';

const CONTENT = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * index) % 253));
const sha256 = createHash('sha256').update(CONTENT).digest('hex');
const signed = { mode: 0o755, contentSha256: sha256, contentSize: CONTENT.length };

describe('a file', () => {
  it.each(['zstd', 'gzip'] as const)(
    'packed with %s comes out with the mode that was signed',
    async (compression) => {
      const folder = temporaryFolder();
      writeFileSync(join(folder, 'server'), CONTENT);
      const packed = await packFile(join(folder, 'server'), join(folder, 'server.z'), {
        compression,
      });
      expect(packed).toMatchObject({ contentSha256: sha256, contentSize: CONTENT.length });
      const before = process.umask(0o077);
      onTestFinished(() => void process.umask(before));
      await extractFile(join(folder, 'server.z'), join(folder, 'out'), signed);
      expect(readFileSync(join(folder, 'out')).equals(CONTENT)).toBe(true);
      expect(lstatSync(join(folder, 'out')).mode).toBe(0o100755);
    },
  );

  it.each(['zstd', 'gzip'] as const)('may be empty (%s)', async (compression) => {
    const folder = temporaryFolder();
    const source = join(folder, 'empty');
    const packed = join(folder, 'packed');
    const out = join(folder, 'out');
    writeFileSync(source, '');
    const { contentSha256 } = await packFile(source, packed, { compression });
    const unpack = compression === 'zstd' ? zstdDecompressSync : gunzipSync;
    expect(unpack(readFileSync(packed))).toHaveLength(0);
    await extractFile(packed, out, { mode: 0o644, contentSize: 0, contentSha256 });
    expect(readFileSync(out)).toHaveLength(0);
  });

  it('of another content is refused', async () => {
    const folder = temporaryFolder();
    const wrong = { ...signed, contentSha256: 'a'.repeat(64) };
    const error = await errorOf(() =>
      extractFile(fileOf(zstdFrame(CONTENT)), join(folder, 'out'), wrong),
    );
    expect(error).toMatchObject({ code: 'ARCHIVE_DIGEST', exit: 3 });
    expect(lstatSync(join(folder, 'out')).mode).toBe(0o100600);
  });

  it.each([
    ['shorter', zstdFrame(CONTENT.subarray(1)), 'ARCHIVE_DIGEST'],
    ['longer', zstdFrame(Buffer.concat([CONTENT, CONTENT])), 'ARCHIVE_REFUSED'],
    [
      'a bomb',
      zeroFrame(
        undefined,
        Array.from({ length: 10_000 }, () => 131_072),
      ),
      'ARCHIVE_REFUSED',
    ],
    ['not compressed', CONTENT, 'ARCHIVE_REFUSED'],
    ['cut short', zstdFrame(CONTENT).subarray(0, -1), 'ARCHIVE_REFUSED'],
  ])(
    'that is %s than signed is refused, and not written beyond its size',
    async (_name, bytes, code) => {
      const out = join(temporaryFolder(), 'out');
      expect(await errorOf(() => extractFile(fileOf(bytes), out, signed))).toMatchObject({
        code,
        exit: 3,
      });
      expect(existsSync(out) ? lstatSync(out).size : 0).toBeLessThanOrEqual(CONTENT.length);
    },
  );

  it('never replaces or follows what is there', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'target'), 'precious');
    symlinkSync('target', join(folder, 'link'));
    for (const out of ['target', 'link']) {
      const error = await errorOf(() =>
        extractFile(fileOf(zstdFrame(CONTENT)), join(folder, out), signed),
      );
      expect(error).toMatchObject({ code: 'ARCHIVE_IO' });
    }
    expect(readFileSync(join(folder, 'target'), 'utf8')).toBe('precious');
  });

  it('that is a link, a folder, setuid or not there is not packed', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'folder'));
    symlinkSync('/etc/hostname', join(folder, 'link'));
    writeFileSync(join(folder, 'setuid'), '');
    chmodSync(join(folder, 'setuid'), 0o4755);
    const refuse = (name: string): Promise<unknown> =>
      errorOf(() => packFile(join(folder, name), join(folder, 'out'), { compression: 'zstd' }));
    expect(await refuse('folder')).toMatchObject({
      code: 'ARCHIVE_UNPACKABLE',
      message: expect.stringContaining('found a directory'),
    });
    expect(await refuse('link')).toMatchObject({
      code: 'ARCHIVE_UNPACKABLE',
      message: expect.stringContaining('found a symbolic link'),
    });
    expect(await refuse('setuid')).toMatchObject({
      code: 'ARCHIVE_UNPACKABLE',
      message: expect.stringContaining('found -rwsr-xr-x (4755)'),
    });
    expect(await refuse('missing')).toMatchObject({
      code: 'ARCHIVE_IO',
      message: expect.stringContaining('no such file'),
    });
    expect(existsSync(join(folder, 'out'))).toBe(false);
  });
});
