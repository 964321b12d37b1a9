/** What a delta is made from and applied to comes out: bytes, modes, and what is shared with the base. */
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, lstatSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { digestTree, type ListingEntry } from '@landfall/archive';
import { applyDelta, makeDelta, type Tree } from '@landfall/delta';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../harness/errors.ts';
import { temporaryFolder } from '../../harness/temporary.ts';
import { type Files, folderOf, WEB_UI } from '../archive/helpers.ts';
import { apply, deltaOf, signed } from './scene.ts';

const NOISE = randomBytes(300_000);
const LOGO = randomBytes(2000);

const OLD: Files = {
  ...WEB_UI,
  'assets/app-3f2a91c0.js': Buffer.concat([NOISE, Buffer.from('old')]),
  'assets/logo.png': LOGO,
  'tools/run': { content: '#!/bin/sh\n', mode: 0o755 },
  gone: 'a file that becomes a folder',
  'went/deep/file': 'gone with its folders',
};

const { 'went/deep/file': _went, gone: _gone, ...STAYS } = OLD;
const { 'assets/app-3f2a91c0.js': _app, 'assets/logo.png': _logo, ...UNCHANGED } = STAYS;
const NEW: Files = {
  ...UNCHANGED,
  'assets/app-9c1bd00e.js': Buffer.concat([NOISE, Buffer.from('new')]),
  'images/logo.png': LOGO,
  'tools/run': '#!/bin/sh\n',
  'gone/now': 'a folder',
  'gone/none': '',
  'assets/app.css': 'body { margin: 1px }\n',
};

describe('a delta', () => {
  it('leads to the new tree, is small, and shares what stays with the old one', async () => {
    const [from, to] = [signed(OLD), signed(NEW)];
    const path = await deltaOf(from, to);
    let shared = 0;
    const { into, listing } = await apply(path, from, to, { onShared: () => (shared += 1) });
    const { listing: found, ...info } = digestTree(into);
    expect(info).toEqual(to.info);
    expect(listing).toEqual(found);
    // A build's digest in the name, a renamed folder and a lost execute bit cost no content.
    expect(readFileSync(path).length).toBeLessThan(900);
    const inode = (root: string, file: string): number => lstatSync(join(root, file)).ino;
    const old = from.tree.root;
    expect(inode(into, 'index.html')).toBe(inode(old, 'index.html'));
    expect(inode(into, 'images/logo.png')).toBe(inode(old, 'assets/logo.png'));
    expect(inode(into, 'tools/run')).not.toBe(inode(old, 'tools/run'));
    expect(shared).toBe(5);
    // Nothing of the base was touched.
    expect(digestTree(old)).toMatchObject(from.info);
  });

  it('gives every file bytes of its own where that is asked for', async () => {
    const [from, to] = [signed(OLD), signed(NEW)];
    const { into } = await apply(await deltaOf(from, to), from, to, { keep: () => 'copy' });
    expect(digestTree(into)).toMatchObject(to.info);
    expect(lstatSync(join(into, 'index.html')).nlink).toBe(1);
  });

  it('has the same bytes each time, and none where it would not be smaller than its bound', async () => {
    const [from, to] = [signed(OLD), signed(NEW)];
    const first = readFileSync(await deltaOf(from, to));
    const outPath = await deltaOf(from, to);
    expect(readFileSync(outPath)).toEqual(first);
    const again = { from: from.tree, to: to.tree, outPath: join(temporaryFolder(), 'none') };
    expect(await makeDelta({ ...again, bound: first.length })).toBeUndefined();
    expect(existsSync(again.outPath)).toBe(false);
    expect(existsSync(`${again.outPath}.tmp`)).toBe(false);
    expect(await makeDelta({ ...again, bound: first.length + 1 })).toBeDefined();
  });

  it('is not made from a tree that is not what its listing says', async () => {
    const [from, to] = [signed(OLD), signed(NEW)];
    writeFileSync(join(to.tree.root, 'gone/now'), 'another');
    const outPath = join(temporaryFolder(), 'ui.delta');
    const error = await errorOf(() => makeDelta({ from: from.tree, to: to.tree, outPath }));
    expect(error).toMatchObject({ code: 'DELTA_IO' });
    expect(existsSync(outPath)).toBe(false);
  });

  it('leads from any tree to any other', async () => {
    const name = fc.constantFrom(
      'a',
      'b',
      'a-1.js',
      'a-2.js',
      'c/a',
      'c/d',
      'c/d/e',
      'f-3f2a91c0.js',
    );
    const content = fc.oneof(fc.constantFrom('', 'x', 'y'.repeat(5000)), fc.string());
    const file = fc.record({ content, mode: fc.constantFrom(0o644, 0o755) });
    const files = fc
      .array(fc.tuple(name, fc.option(file, { nil: undefined })), { maxLength: 6 })
      .map((list) => list.filter(([path], at) => !list.slice(0, at).some(([p]) => clash(p, path))))
      .map((list): Files => Object.fromEntries(list));
    await fc.assert(
      fc.asyncProperty(files, files, async (before, after) => {
        const [from, to] = [signed(before), signed(after)];
        const { into } = await apply(await deltaOf(from, to), from, to);
        expect(digestTree(into)).toMatchObject(to.info);
      }),
      { numRuns: 25 },
    );
  });
});

/** Whether two paths cannot be in one tree. */
function clash(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);
}

describe('a delta of a single file', () => {
  /** 34 MB, so that it goes over two frames; the new one has a hole and 20 bytes in front. */
  const old = Buffer.alloc(34_000_000, NOISE);
  const fresh = Buffer.concat([NOISE.subarray(0, 20), old.subarray(0, 1e6), old.subarray(2e6)]);

  function fileOf(content: Buffer, mode: number): Tree & { listing: readonly [ListingEntry] } {
    const folder = folderOf({ app: content });
    chmodSync(join(folder, 'app'), mode);
    const entry = digestTree(folder).listing.find(({ path }) => path === 'app');
    expect(entry).toBeDefined();
    return { root: join(folder, 'app'), listing: [{ ...(entry as ListingEntry), path: '.' }] };
  }

  it.each([
    ['that changed', fresh, 0o755],
    ['that only became executable', old, 0o755],
    ['that is the same', old, 0o644],
  ])(
    '%s',
    async (_name, content, mode) => {
      const [from, to] = [fileOf(old, 0o644), fileOf(content, mode)];
      const outPath = join(temporaryFolder(), 'app.delta');
      const made = await makeDelta({ from, to, outPath, level: 1 });
      expect(made?.size).toBeLessThan(300_000);
      const into = join(temporaryFolder(), 'app');
      const fd = openSync(outPath, 'r');
      const { size: contentSize, sha256: contentSha256 } = to.listing[0];
      const expected = { mode, contentSize, contentSha256 };
      const listing = await applyDelta(fd, { base: from, expect: expected, into });
      closeSync(fd);
      expect(listing).toEqual(to.listing);
      expect(readFileSync(into).equals(content)).toBe(true);
      expect(lstatSync(into).mode & 0o7777).toBe(mode);
    },
    60_000,
  );
});
