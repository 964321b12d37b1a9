/** What is packed comes out: on disk, in the listing, in the digest. */
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { appendFileSync, chmodSync, closeSync, existsSync, lstatSync, mkdirSync } from 'node:fs';
import {
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import {
  digestTree,
  extractTree,
  gateArchive,
  packTree,
  planTree,
  treeInfo,
} from '@landfall/archive';
import * as fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { errorOf } from '../../harness/errors.ts';
import { temporaryFolder } from '../../harness/temporary.ts';
import { emptyDirectory, fileOf, type Files, folderOf, MTIME, pack, WEB_UI } from './helpers.ts';

const sha256 = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('hex');

describe('the tree digest', () => {
  it('is the SHA-256 over one line per entry, as the manifest defines it', async () => {
    const { tree } = await pack(folderOf({ 'a/b': 'hello', '-c': { content: '', mode: 0o755 } }));
    const lines = [
      '.\0d\x000755\x000\0\n',
      `-c\0f\x000755\x000\0${sha256('')}\n`,
      'a\0d\x000755\x000\0\n',
      `a/b\0f\x000644\x005\0${sha256('hello')}\n`,
    ];
    expect(tree).toEqual({ digest: sha256(lines.join('')), size: 5, entries: 4 });
  });

  it('depends on paths, types, modes and content, and on nothing else', async () => {
    const base: Files = { a: 'x', 'b/c': 'y' };
    const variants: Files[] = [
      base,
      { a: 'X', 'b/c': 'y' },
      { a: { content: 'x', mode: 0o755 }, 'b/c': 'y' },
      { a: 'x', 'b/d': 'y' },
      { a: 'x', 'b/c': 'y', e: undefined },
      { a: 'x', 'b/c': 'y', e: '' },
    ];
    const digests = await Promise.all(
      variants.map(async (files) => (await pack(folderOf(files))).tree.digest),
    );
    expect(new Set(digests).size).toBe(variants.length);
    expect((await pack(folderOf(base), 'gzip')).tree.digest).toBe(digests[0]);
  });
});

describe('an archive of ours', () => {
  it.each(['zstd', 'gzip'] as const)('of %s comes out as it went in', async (compression) => {
    const packed = await pack(folderOf(WEB_UI), compression);
    const report = await gateArchive(packed.path);
    expect(report).toMatchObject({ root: 'drwxr-xr-x', tree: packed.tree, packing: compression });
    const staging = emptyDirectory();
    expect(await extractTree(packed.path, staging, { expect: packed.tree })).toMatchObject({
      tree: packed.tree,
    });
    const { listing, ...tree } = digestTree(staging);
    expect(tree).toEqual(packed.tree);
    expect(listing).toEqual(report.listing);
    expect(readFileSync(join(staging, 'assets/app.css'), 'utf8')).toBe('body { margin: 0 }\n');
    expect(lstatSync(join(staging, 'bin/health')).mode).toBe(0o100755);
    expect(readdirSync(join(staging, 'empty'))).toEqual([]);
  });

  it('has of each part what lies in its place', async () => {
    const more = folderOf({ 'a/b': 'of a folder', 'licence.txt': 'of a file' });
    const parts = [
      { from: folderOf({ index: 'of the root', 'docs/a/c': 'beside it' }), at: '' },
      { from: `${more}/`, at: 'docs' },
      { from: join(more, 'licence.txt'), at: 'x/licence' },
    ];
    const out = join(temporaryFolder(), 'ui.tar.zst');
    const options = { mtime: MTIME, compression: 'zstd' } as const;
    const { tree } = await packTree(planTree({ parts }), out, options);
    const staging = emptyDirectory();
    await extractTree(out, staging, { expect: tree });
    const files = ['docs/a/b', 'docs/a/c', 'docs/licence.txt', 'index', 'x/licence'];
    expect(files.map((path) => readFileSync(join(staging, path), 'utf8'))).toEqual([
      'of a folder',
      'beside it',
      'of a file',
      'of the root',
      'of a file',
    ]);
    expect(tree.entries).toBe(files.length + 4);
  });

  it('tells its own size and digest', async () => {
    const { path, size, sha256: told } = await pack(folderOf(WEB_UI));
    const bytes = readFileSync(path);
    expect({ size: bytes.length, told: sha256(bytes) }).toEqual({ size, told });
  });

  it('is read through an open descriptor, whatever happens to its name', async () => {
    const { path, tree } = await pack(folderOf(WEB_UI));
    const fd = openSync(path, 'r');
    onTestFinished(() => closeSync(fd));
    renameSync(path, `${path}.gone`);
    writeFileSync(path, 'something else');
    expect((await gateArchive(fd, { name: 'ui.tar.zst' })).tree).toEqual(tree);
    expect(await extractTree(fd, emptyDirectory(), { expect: tree })).toMatchObject({ tree: tree });
  });

  it('has long and wide paths in a pax header, and takes them back', async () => {
    const deep = `${'d'.repeat(120)}/${'e'.repeat(120)}/${'f'.repeat(120)}`;
    const wide = `${'\u{1F600}'.repeat(60)}/${'\u00E9'.repeat(100)}.txt`;
    const packed = await pack(
      folderOf({ [deep]: 'deep', [wide]: 'wide', [`p/${'x'.repeat(98)}`]: '' }),
    );
    const { listing } = await gateArchive(packed.path);
    expect(listing.map((entry) => entry.path)).toEqual(
      expect.arrayContaining([deep, wide, `p/${'x'.repeat(98)}`]),
    );
    expect(await extractTree(packed.path, emptyDirectory(), { expect: packed.tree })).toMatchObject(
      { tree: packed.tree },
    );
  });

  it('may hold nothing but its root', async () => {
    const packed = await pack(folderOf({}));
    expect(packed.tree).toMatchObject({ size: 0, entries: 1 });
    expect(await extractTree(packed.path, emptyDirectory(), { expect: packed.tree })).toMatchObject(
      { tree: packed.tree },
    );
  });

  it('holds any tree (generated)', async () => {
    const name = fc
      .string({
        unit: fc.constantFrom(
          'a',
          'b',
          'Z',
          '0',
          '.',
          '_',
          '-',
          ' ',
          '\u00E9',
          '\u4E2D',
          '\u{1F600}',
        ),
        minLength: 1,
        maxLength: 20,
      })
      .filter((text) => text !== '.' && text !== '..');
    const content = fc.oneof(
      fc.uint8Array({ maxLength: 2000 }),
      fc.constantFrom(new Uint8Array(512), new Uint8Array(511), new Uint8Array(70_000)),
    );
    const entry = fc.record({
      path: fc.array(name, { minLength: 1, maxLength: 4 }),
      content,
      executable: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(entry, { maxLength: 12 }),
        fc.constantFrom('zstd' as const, 'gzip' as const),
        async (entries, compression) => {
          const folder = folderOf({});
          const written = writeAll(folder, entries);
          const packed = await pack(folder, compression);
          const staging = emptyDirectory();
          await extractTree(packed.path, staging, { expect: packed.tree });
          const found = digestTree(staging).listing.filter((each) => each.type === 'file');
          expect(
            Object.fromEntries(found.map((each) => [each.path, `${each.mode} ${each.sha256}`])),
          ).toEqual(written);
        },
      ),
      { numRuns: 60 },
    );
  });
});

/** Writes what can stand side by side on every file system; returns path → mode and digest. */
function writeAll(
  folder: string,
  entries: readonly { path: string[]; content: Uint8Array; executable: boolean }[],
): Record<string, string> {
  const written: Record<string, string> = {};
  const folded = new Set<string>();
  for (const { path, content, executable } of entries) {
    // A letter and the depth keep a file from having the name of a folder, or of a twin.
    const names = path.map((each, depth) => (depth === path.length - 1 ? `f${each}` : `d${depth}`));
    const joined = names.join('/');
    if (folded.has(joined.toLowerCase())) continue;
    folded.add(joined.toLowerCase());
    mkdirSync(join(folder, ...names.slice(0, -1)), { recursive: true });
    writeFileSync(join(folder, joined), content);
    chmodSync(join(folder, joined), executable ? 0o755 : 0o644);
    written[joined] = `${executable ? 0o755 : 0o644} ${sha256(Buffer.from(content))}`;
  }
  return written;
}

describe('packing', () => {
  it.each([
    ['grows', (path: string): void => appendFileSync(path, 'more')],
    ['shrinks', (path: string): void => writeFileSync(path, 'x')],
    ['is written again with the same size', (path: string): void => writeFileSync(path, 'HELLO')],
    ['is gone', (path: string): void => rmSync(path)],
    [
      'becomes a link',
      (path: string): void => {
        rmSync(path);
        symlinkSync('/etc/hostname', path);
      },
    ],
    [
      'becomes a pipe',
      (path: string): void => {
        rmSync(path);
        execFileSync('mkfifo', [path]);
      },
    ],
  ])('is an error when a file %s after the plan was made', async (_name, change) => {
    const folder = folderOf({ 'a/file': 'hello' });
    const plan = planTree({ parts: [{ from: folder, at: '' }] });
    change(join(folder, 'a/file'));
    const out = join(temporaryFolder(), 'ui.tar.zst');
    const error = await errorOf(() => packTree(plan, out, { mtime: MTIME, compression: 'zstd' }));
    expect(error).toMatchObject({ code: 'ARCHIVE_IO', exit: 1 });
    expect(error.message).toContain("'a/file'");
    expect(readdirSync(join(out, '..'))).toEqual([]);
  });

  it('names a file that the plan has no source of', async () => {
    const plan = planTree({ parts: [{ from: folderOf({ 'a/file': 'hello' }), at: '' }] });
    const entries = plan.entries.map((entry) => ({ ...entry, source: undefined }));
    const out = join(temporaryFolder(), 'ui.tar.zst');
    const error = await errorOf(() =>
      packTree({ ...plan, entries }, out, { mtime: MTIME, compression: 'zstd' }),
    );
    expect(error.message).toBe("'a/file' has no source");
  });

  it('stops when told to, and leaves nothing', async () => {
    const folder = folderOf({ a: 'x' });
    const out = join(temporaryFolder(), 'ui.tar.zst');
    writeFileSync(out, 'what was packed before');
    const plan = planTree({ parts: [{ from: folder, at: '' }] });
    const signal = AbortSignal.abort(new Error('stopped by the test'));
    await expect(
      packTree(plan, out, { mtime: MTIME, compression: 'zstd', signal }),
    ).rejects.toThrow('stopped by the test');
    expect(readdirSync(join(out, '..'))).toEqual([]);
  });

  it.each([-1, 1.5, Number.NaN, 2 ** 40])('refuses the time %d', async (mtime) => {
    const plan = planTree({ parts: [{ from: folderOf({}), at: '' }] });
    const out = join(temporaryFolder(), 'ui.tar.zst');
    const error = await errorOf(() => packTree(plan, out, { mtime, compression: 'zstd' }));
    expect(error.hint).toContain('SOURCE_DATE_EPOCH');
    expect(existsSync(out)).toBe(false);
  });
});

describe('extraction', () => {
  it('sets modes whatever the umask, also on a directory that is 0700', async () => {
    const packed = await pack(folderOf(WEB_UI));
    const staging = emptyDirectory();
    chmodSync(staging, 0o2700);
    const before = process.umask(0o077);
    onTestFinished(() => void process.umask(before));
    await extractTree(packed.path, staging, { expect: packed.tree });
    expect(digestTree(staging)).toMatchObject(packed.tree);
    expect(lstatSync(staging).mode).toBe(0o40755);
  });

  it('of much content is the same, and closes all files where it ends early', async () => {
    const names = Array.from({ length: 120 }, (_, index) => `folder-${index % 7}/${index}`);
    const bytes = randomBytes(2 * 1024 * 1024);
    const packed = await pack(
      folderOf(Object.fromEntries(names.map((name, at) => [name, bytes.subarray(at * 13_000)]))),
    );
    const staging = emptyDirectory();
    const before = readdirSync('/proc/self/fd').length;
    await extractTree(packed.path, staging, { expect: packed.tree });
    expect(digestTree(staging)).toMatchObject(packed.tree);
    const { size } = packed.tree;
    const expected = { ...packed.tree, size: size - 1 };
    await expect(
      extractTree(packed.path, emptyDirectory(), { expect: expected }),
    ).rejects.toMatchObject({ code: 'ARCHIVE_DIGEST' });
    expect(readdirSync('/proc/self/fd').length).toBe(before);
  });

  it('refuses an archive that is not the one that was signed', async () => {
    const signed = await pack(folderOf({ a: 'good' }));
    const other = await pack(folderOf({ a: 'evil' }));
    const error = await errorOf(() =>
      extractTree(other.path, emptyDirectory(), { expect: signed.tree }),
    );
    expect(error).toMatchObject({ code: 'ARCHIVE_DIGEST', exit: 3 });
    expect(error.message).toContain('is not what was signed: expected 2 entries, 4 bytes, digest');
  });

  it.each([
    ['entries', { a: '', b: '' }, { a: '' }],
    ['bytes', { a: 'xxxx' }, { a: 'x' }],
  ])('stops at the first of too many %s', async (_name, files, expected) => {
    const signed = await pack(folderOf(expected));
    const other = await pack(folderOf(files));
    const staging = emptyDirectory();
    const error = await errorOf(() => extractTree(other.path, staging, { expect: signed.tree }));
    expect(error).toMatchObject({ code: 'ARCHIVE_DIGEST' });
    expect(error.message).toContain('holds more than was signed');
    expect(readdirSync(staging).length).toBeLessThan(Object.keys(files).length + 1);
    expect(existsSync(join(staging, 'b'))).toBe(false);
  });

  it('goes into an empty directory only, never through a link', async () => {
    const packed = await pack(folderOf(WEB_UI));
    const full = folderOf({ there: 'x' });
    const link = join(temporaryFolder(), 'link');
    symlinkSync(emptyDirectory(), link);
    for (const target of [full, link, `${link}/`, join(full, 'there'), '/nonexistent/staging']) {
      const error = await errorOf(() => extractTree(packed.path, target, { expect: packed.tree }));
      expect(error).toMatchObject({ code: 'ARCHIVE_IO' });
    }
    expect(readdirSync(link)).toEqual([]);
    expect(readdirSync(full)).toEqual(['there']);
  });

  it('stops when told to', async () => {
    const packed = await pack(folderOf(WEB_UI));
    const signal = AbortSignal.abort(new Error('stopped by the test'));
    await expect(
      extractTree(packed.path, emptyDirectory(), { expect: packed.tree, signal }),
    ).rejects.toThrow('stopped by the test');
  });

  it('says which archive is not there', async () => {
    const expected = treeInfo([]);
    const error = await errorOf(() =>
      extractTree('/nonexistent/ui.tar.zst', emptyDirectory(), { expect: expected }),
    );
    expect(error.message).toBe("archive 'ui.tar.zst': no such file or directory");
    expect((await errorOf(() => gateArchive(temporaryFolder()))).message).toContain(
      'is not a regular file',
    );
    expect((await errorOf(() => gateArchive(fileOf(Buffer.from('x'))))).code).toBe(
      'ARCHIVE_REFUSED',
    );
  });
});
