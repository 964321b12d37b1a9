/**
 * Somebody changes the staging folder while an archive is extracted into it.
 * The bytes come from a source that stops where the test wants, so that what
 * happens in between happens every time.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync } from 'node:fs';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type ArchiveError, extractTree, type Unpack } from '@landfall/archive';
import { describe, expect, it } from 'vitest';
import { directory, END, file, ROOT } from '../../harness/tar-builder.ts';
import { temporaryFolder } from '../../harness/temporary.ts';
import { zstdFrame } from '../../harness/zstd-builder.ts';
import { emptyDirectory, fileOf } from './helpers.ts';

/** In byte order, which leaves `a` and `a/b` and comes back to them. */
const ENTRIES = [
  ROOT,
  directory('./a/'),
  file('./a-b', 'between'),
  directory('./a/b/'),
  file('./a/b-c', 'between'),
  file('./a/b/c', 'evil'),
  file('./z', 'end'),
];
const SIGNED = { digest: '0'.repeat(64), entries: ENTRIES.length, size: 100 };
const openFiles = (): number => readdirSync('/proc/self/fd').length;

/** Extracts the entries; after the one with this index, `change` happens to the staging folder. */
async function extractWhile(
  index: number,
  change: (staging: string, outside: string) => void,
): Promise<{ staging: string; outside: string; error: ArchiveError }> {
  const staging = emptyDirectory();
  const outside = temporaryFolder();
  mkdirSync(join(outside, 'b'));
  const unpack: Unpack = async function* () {
    for (const [at, entry] of [...ENTRIES, END].entries()) {
      yield entry;
      if (at === index) change(staging, outside);
    }
  };
  const source = fileOf(zstdFrame(Buffer.concat(ENTRIES)));
  const before = openFiles();
  const error = await extractTree(source, staging, { expect: SIGNED, unpack }).then(
    () => expect.unreachable('it was extracted'),
    (thrown: unknown) => thrown as ArchiveError,
  );
  expect(openFiles()).toBe(before);
  return { staging, outside, error };
}

describe('extraction by descriptor', () => {
  it('writes what comes, when nobody changes anything', async () => {
    const { staging, error } = await extractWhile(-1, () => {});
    // The digest that was asked for is of nothing.
    expect(error.code).toBe('ARCHIVE_DIGEST');
    expect(readFileSync(join(staging, 'a/b/c'), 'utf8')).toBe('evil');
    expect(readdirSync(staging)).toEqual(['a', 'a-b', 'z']);
  });

  it.each([
    ['a folder that was left', 2, 'a', "'a/b'"],
    ['a folder in another', 4, 'a/b', "'a/b/c'"],
  ])('never follows a link in place of %s', async (_name, index, path, subject) => {
    const { staging, outside, error } = await extractWhile(index, (folder, target) => {
      renameSync(join(folder, path), join(folder, 'aside'));
      symlinkSync(path === 'a' ? target : join(target, 'b'), join(folder, path));
    });
    expect(error).toMatchObject({ code: 'ARCHIVE_IO' });
    expect(error.message).toContain(subject);
    expect(readdirSync(outside, { recursive: true })).toEqual(['b']);
    expect(existsSync(join(staging, 'z'))).toBe(false);
  });

  it('never follows a link in place of a folder that it is in', async () => {
    const { staging, outside } = await extractWhile(3, (folder, target) => {
      renameSync(join(folder, 'a'), join(folder, 'aside'));
      symlinkSync(target, join(folder, 'a'));
    });
    expect(readdirSync(outside, { recursive: true })).toEqual(['b']);
    expect(readdirSync(join(staging, 'aside'), { recursive: true })).toEqual(['b', 'b-c', 'b/c']);
  });

  it('never follows a link in place of the staging folder itself', async () => {
    const { outside, error } = await extractWhile(0, (folder, target) => {
      rmdirSync(folder);
      symlinkSync(target, folder);
    });
    expect(error).toMatchObject({ code: 'ARCHIVE_IO' });
    expect(readdirSync(outside, { recursive: true })).toEqual(['b']);
  });

  it('never writes through a link, or to a file, that stands where a file goes', async () => {
    for (const put of [
      (folder: string, target: string) => symlinkSync(join(target, 'new'), join(folder, 'z')),
      (folder: string, target: string) => symlinkSync(target, join(folder, 'z')),
    ]) {
      const { outside, error } = await extractWhile(5, put);
      expect(error).toMatchObject({ code: 'ARCHIVE_IO' });
      expect(error.message).toMatch(/^'z': /);
      expect(readdirSync(outside, { recursive: true })).toEqual(['b']);
    }
  });
});
