/** Files that an archive and a tree on the disk have in common are shared, and only those. */
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type ArchiveError, digestTree, extractTree, type Unpack } from '@landfall/archive';
import { describe, expect, it, onTestFinished } from 'vitest';
import { END, file, ROOT } from '../../harness/tar-builder.ts';
import { zstdFrame } from '../../harness/zstd-builder.ts';
import { emptyDirectory, fileOf, type Files, folderOf, pack, WEB_UI } from './helpers.ts';

const openFiles = (): number => readdirSync('/proc/self/fd').length;

/** Packs `files`, extracts them beside `base`, and returns the paths that are shared with it. */
async function sharedWith(base: string, files: Files, into = emptyDirectory()): Promise<string[]> {
  const { path, tree } = await pack(folderOf(files));
  const before = openFiles();
  let told = 0;
  const reuse = { directory: base, onShared: () => (told += 1) };
  await extractTree(path, into, { expect: tree, reuse });
  expect(openFiles()).toBe(before);
  expect(digestTree(into)).toMatchObject(tree);
  const shared = digestTree(into).listing.flatMap(({ path: at, type }) => {
    const [mine, theirs] = [statSync(join(into, at)), join(base, at)];
    const isSame = existsSync(theirs) && statSync(theirs).ino === mine.ino;
    return type === 'file' && isSame ? [at] : [];
  });
  expect(told).toBe(shared.length);
  return shared;
}

/** Pieces of a tar, as an unpacker gives them; between two of them `change` happens. */
function inPieces(pieces: readonly Buffer[], change: () => void): Unpack {
  return async function* () {
    for (const [index, piece] of pieces.entries()) {
      if (index === 1) change();
      yield piece;
    }
  };
}

describe('files that both have', () => {
  it('are shared; what was changed, added or left out is not', async () => {
    const base = folderOf({ ...WEB_UI, 'old.txt': 'gone', nothing: '' });
    const next = { ...WEB_UI, 'index.html': 'other', 'new.txt': 'new', nothing: '' };
    expect(await sharedWith(base, next)).toEqual([
      'assets/app.css',
      'assets/app.js',
      'assets/icons/logo.svg',
      'bin/health',
    ]);
    expect(statSync(join(base, 'assets/app.js')).nlink).toBe(2);
  });

  it('are not when the size is the same and one byte is not, wherever it is', async () => {
    const large = Buffer.alloc(9 * 1024 * 1024, 'landfall');
    const late = Buffer.from(large);
    late[late.length - 1] = 0;
    const base = folderOf({ small: 'abc', large, same: large });
    expect(await sharedWith(base, { small: 'abd', large: late, same: large })).toEqual(['same']);
    expect(readFileSync(join(base, 'small'), 'utf8')).toBe('abc');
  });

  it('are not when they could not have one mode and one owner', async () => {
    const base = folderOf({ a: 'a', b: 'b', c: 'c' });
    chmodSync(join(base, 'a'), 0o755);
    chownSync(join(base, 'b'), 1, 1);
    expect(await sharedWith(base, { a: 'a', b: 'b', c: 'c' })).toEqual(['c']);
  });

  it('are not through a link or a fifo, and not with what is not there', async () => {
    const files = { 'in/a': 'a', 'in/b': 'b', c: 'c', d: 'd', e: 'e' };
    const base = folderOf(files);
    renameSync(join(base, 'in'), join(base, 'elsewhere'));
    symlinkSync('elsewhere', join(base, 'in'));
    rmSync(join(base, 'c'));
    symlinkSync('d', join(base, 'c'));
    rmSync(join(base, 'e'));
    execFileSync('mkfifo', [join(base, 'e')]);
    expect(await sharedWith(base, files)).toEqual(['d']);
    expect(await sharedWith(join(base, 'nowhere'), files)).toEqual([]);
  });

  it('are written where the file system takes no second name', async () => {
    const elsewhere = mkdtempSync('/dev/shm/landfall-test-');
    onTestFinished(() => rmSync(elsewhere, { recursive: true }));
    expect(await sharedWith(folderOf(WEB_UI), WEB_UI, elsewhere)).toEqual([]);
  });
});

describe('a base that changes while it is read', () => {
  const half = Buffer.alloc(4096, 'a');
  const entry = file('./z', Buffer.concat([half, half]).toString());
  const pieces = [
    Buffer.concat([ROOT, entry.subarray(0, 512 + 4096)]),
    Buffer.concat([entry.subarray(512 + 4096), END]),
  ];
  const source = (): string => fileOf(zstdFrame(Buffer.concat(pieces)));
  const expectTree = (): ReturnType<typeof digestTree> =>
    digestTree(folderOf({ z: Buffer.concat([half, half]) }));

  it('behind what was read is not shared, and loses nothing', async () => {
    const base = folderOf({ z: Buffer.concat([half, half]) });
    const into = emptyDirectory();
    const unpack = inPieces(pieces, () => {
      writeFileSync(join(base, 'z'), Buffer.concat([half, Buffer.alloc(4096, 'b')]));
    });
    const tree = expectTree();
    await extractTree(source(), into, { expect: tree, unpack, reuse: { directory: base } });
    expect(digestTree(into).digest).toBe(tree.digest);
  });

  it('is not shared under a name that leads to another file by then', async () => {
    const base = folderOf({ z: Buffer.concat([half, half]) });
    const into = emptyDirectory();
    const unpack = inPieces(pieces, () => {
      rmSync(join(base, 'z'));
      writeFileSync(join(base, 'z'), 'evil');
    });
    const tree = expectTree();
    await extractTree(source(), into, { expect: tree, unpack, reuse: { directory: base } });
    expect(digestTree(into).digest).toBe(tree.digest);
    expect(statSync(join(base, 'z')).nlink).toBe(1);
  });

  it('before it ends the extraction', async () => {
    const base = folderOf({ z: Buffer.concat([half, half]) });
    const unpack = inPieces(pieces, () => {
      writeFileSync(join(base, 'z'), Buffer.alloc(4096, 'c'));
      appendFileSync(join(base, 'z'), Buffer.alloc(4096, 'd'));
    });
    const reuse = { directory: base };
    const error = await extractTree(source(), emptyDirectory(), {
      expect: expectTree(),
      unpack,
      reuse,
    }).catch((thrown: unknown) => thrown as ArchiveError);
    expect(error).toMatchObject({ code: 'ARCHIVE_IO' });
    expect((error as ArchiveError).message).toBe("'z' of what runs changed while it was read");
  });

  it('is not looked at for what the archive does not hold to its end', async () => {
    const base = folderOf({ z: Buffer.concat([half, half]) });
    const into = emptyDirectory();
    const before = openFiles();
    const unpack = inPieces(pieces.slice(0, 1), () => {});
    await expect(
      extractTree(source(), into, { expect: expectTree(), unpack, reuse: { directory: base } }),
    ).rejects.toMatchObject({ code: 'ARCHIVE_REFUSED' });
    expect(readdirSync(into)).toEqual([]);
    expect(openFiles()).toBe(before);
  });
});
