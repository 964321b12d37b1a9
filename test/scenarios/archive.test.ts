/**
 * Archives against the machine and other programs: the same bytes for any
 * user, umask and order of the folder; read by GNU tar, zstd, gzip and npm's
 * tar; and what GNU tar makes is read.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { digestTree, extractTree, gateArchive } from '@landfall/archive';
import * as npmTar from 'tar';
import { beforeAll, describe, expect, it } from 'vitest';
import { runArchive } from '../harness/archive.ts';
import { errorOf } from '../harness/errors.ts';
import { temporaryFolder } from '../harness/temporary.ts';
import {
  emptyDirectory,
  fileOf,
  type Files,
  folderOf,
  pack,
  WEB_UI,
} from '../packages/archive/helpers.ts';

const MIB = 1024 * 1024;
const NOBODY = 65_534;

/** Standard output of a program that must succeed. */
function run(program: string, args: readonly string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Some hundred files of all sizes around blocks and frames, with names that sort in surprising ways. */
const MANY: Files = {
  ...WEB_UI,
  ...Object.fromEntries(
    Array.from({ length: 300 }, (_, index) => [
      `chunks/${(index * 7919) % 1000}-${index}${index % 3 === 0 ? '.js' : '/index.js'}`,
      'x'.repeat((index * 137) % 3000),
    ]),
  ),
  big: Buffer.alloc(9 * MIB, 'big and repetitive '),
  ['long/'.repeat(30)]: undefined,
  'sp ace/\u00E9\u{1F600}': 'x',
};

/** Every file, every folder on the way to one, and the root. */
const ENTRIES =
  new Set(
    Object.keys(MANY).flatMap((path) =>
      path
        .replace(/\/$/, '')
        .split('/')
        .map((_, depth, names) => names.slice(0, depth + 1).join('/')),
    ),
  ).size + 1;

/** Writes MANY in an order of its own, with the modes that umask and user give. */
function makeAs(folder: string, order: number, as: { uid: number; umask: string }): void {
  const before = process.umask(Number.parseInt(as.umask, 8));
  try {
    mkdirSync(folder);
    const entries = Object.entries(MANY);
    if (order === 1) entries.reverse();
    const sorted =
      order === 2
        ? entries.toSorted(([a], [b]) => (a.at(-1) ?? '').localeCompare(b.at(-1) ?? ''))
        : entries;
    for (const [path, value] of sorted) {
      const target = join(folder, path);
      mkdirSync(value === undefined ? target : join(target, '..'), { recursive: true });
      if (value === undefined) continue;
      const plain = typeof value === 'string' || Buffer.isBuffer(value);
      writeFileSync(target, plain ? value : value.content, { mode: plain ? 0o666 : 0o777 });
    }
    for (const path of ['', ...readdirSync(folder, { recursive: true, encoding: 'utf8' })]) {
      chownSync(join(folder, path), as.uid, as.uid);
    }
  } finally {
    process.umask(before);
  }
}

beforeAll(() => {
  if (process.getuid?.() !== 0)
    throw new Error('these tests pack as other users: run them as root');
});

describe('the same tree gives the same bytes', () => {
  it.each(['zstd', 'gzip'])(
    'packed with %s as root and nobody, under umask 022 and 077, from folders in any order',
    (compression) => {
      const base = temporaryFolder();
      chmodSync(base, 0o777);
      const digests = new Set<unknown>();
      for (const [index, order] of ['made', 'reversed', 'shuffled'].entries()) {
        for (const uid of [0, NOBODY]) {
          for (const umask of ['022', '077']) {
            const folder = join(base, `${order}-${uid}-${umask}`);
            makeAs(folder, index, { uid, umask });
            const out = `${folder}.tar`;
            const { result } = runArchive(['pack', folder, out, compression], { uid, umask });
            expect(result).toMatchObject({ tree: { entries: ENTRIES } });
            digests.add(readFileSync(out).toString('latin1'));
          }
        }
      }
      expect(digests.size).toBe(1);
    },
  );

  it('and other bytes when a mode or a byte differs', async () => {
    const one = await pack(folderOf({ a: 'x' }));
    const two = await pack(folderOf({ a: { content: 'x', mode: 0o755 } }));
    const three = await pack(folderOf({ a: 'y' }));
    expect(new Set([one.sha256, two.sha256, three.sha256]).size).toBe(3);
  });
});

describe('what nobody may not read', () => {
  it('is refused by name when packing, and when a tree on disk is checked', () => {
    const folder = folderOf(WEB_UI);
    chmodSync(join(folder, '..'), 0o755);
    chmodSync(join(folder, 'index.html'), 0o600);
    chmodSync(join(folder, 'assets'), 0o700);
    const packed = runArchive(['pack', folder, '/nonexistent/out'], { uid: NOBODY }).result;
    expect(packed).toMatchObject({ code: 'ARCHIVE_UNPACKABLE' });
    expect(packed['message']).toContain("'index.html' cannot be read: permission denied");
    expect(packed['message']).toContain("'assets' cannot be read: permission denied");
    const checked = runArchive(['digest', folder], { uid: NOBODY }).result;
    expect(checked).toMatchObject({ code: 'ARCHIVE_REFUSED' });
    expect(checked['message']).toContain("'assets' is drwx------ (0700)");
  });
});

describe.each(['zstd', 'gzip'] as const)('an archive of ours in %s', (compression) => {
  it("shows 'drwxr-xr-x' first in 'tar tvf', and lists with numeric owner 0/0", async () => {
    const { path, tree } = await pack(folderOf(MANY), compression);
    const lines = run('tar', ['tvf', path]).trimEnd().split('\n');
    expect(lines[0]).toMatch(/^drwxr-xr-x 0\/0 +0 2026-04-22 \d\d:\d\d \.\/$/);
    expect(lines).toHaveLength(tree.entries);
    for (const line of lines) expect(line).toMatch(/^(drwxr-xr-x|-rw-r--r--|-rwxr-xr-x) 0\/0 /);
  });

  it('is extracted by GNU tar to the same tree', async () => {
    const { path, tree } = await pack(folderOf(MANY), compression);
    const target = emptyDirectory();
    run('tar', ['xpf', path, '-C', target]);
    expect(digestTree(target)).toMatchObject(tree);
  });

  it('is unpacked by the standard program to a tar that reads the same', async () => {
    const { path, tree } = await pack(folderOf(MANY), compression);
    const program = compression === 'zstd' ? 'zstd' : 'gzip';
    const plain = execFileSync(program, ['-dc', path], { maxBuffer: 64 * MIB });
    expect((await gateArchive(fileOf(plain))).tree).toEqual(tree);
    const tested = spawnSync(program, ['-t', path], { encoding: 'utf8' });
    expect({ status: tested.status, said: compression === 'gzip' ? tested.stderr : '' }).toEqual({
      status: 0,
      said: '',
    });
  });

  it("lists the same in npm's tar", async () => {
    const { path } = await pack(folderOf(MANY), compression);
    const { listing } = await gateArchive(path);
    const found: string[] = [];
    await npmTar.list({
      file: path,
      strict: true,
      onReadEntry: (entry) => {
        found.push(
          `${entry.path} ${entry.type} ${entry.mode?.toString(8)} ${entry.size} ${entry.uid}:${entry.gid}`,
        );
      },
    });
    const expected = listing.map((each) => {
      const path_ =
        each.path === '.' ? './' : `./${each.path}${each.type === 'directory' ? '/' : ''}`;
      return `${path_} ${each.type === 'directory' ? 'Directory' : 'File'} ${each.mode.toString(8)} ${each.size} 0:0`;
    });
    expect(found).toEqual(expected);
  });
});

/** tar's own order is by folder; ours is by whole path. */
function makeTar(folder: string, more: readonly string[]): string {
  const out = join(temporaryFolder(), 'hand-made.tar');
  const sorted = `cd "$1"; find . -mindepth 1 | LC_ALL=C sort`;
  const names = run('sh', ['-c', sorted, 'sh', folder]);
  const list = fileOf(Buffer.from(`./\n${names}`), 'names');
  run('tar', ['-C', folder, '-cf', out, '--no-recursion', `--files-from=${list}`, ...more]);
  return out;
}
/** What `release build` does, by hand. */
const careful = ['--owner=0', '--group=0', '--numeric-owner'];

describe('an archive that GNU tar made', () => {
  const files: Files = {
    ...WEB_UI,
    [`deep/${'d'.repeat(90)}/${'e'.repeat(90)}`]: 'long',
    'a.txt': '',
    'a/b': '',
  };

  it.each(['ustar', 'posix'])(
    'with care, in the %s format, is read: plain, zstd, gzip',
    async (format) => {
      const folder = folderOf(files);
      const { tree } = await pack(folder);
      const plain = makeTar(folder, [`--format=${format}`, ...careful]);
      run('zstd', ['-q', '-19', plain, '-o', `${plain}.zst`]);
      run('sh', [
        '-c',
        `zstd -q -1 --long=24 < "${plain}" > "${plain}.piped"; gzip -9k "${plain}"`,
      ]);
      for (const path of [plain, `${plain}.zst`, `${plain}.piped`, `${plain}.gz`]) {
        expect((await gateArchive(path)).tree).toEqual(tree);
        expect(await extractTree(path, emptyDirectory(), { expect: tree })).toMatchObject({ tree });
      }
    },
  );

  it('as docs/formats.md says is read, whatever names sort like, and is what we pack', async () => {
    const docs = readFileSync(join(import.meta.dirname, '../../docs/formats.md'), 'utf8');
    const recipe = /With GNU tar:\n\n((?: {4}.*\n)+)/.exec(docs)?.[1] ?? '';
    expect(recipe).toContain('tar ');
    const names = {
      'about.html': '',
      'about/index.html': '',
      'about-us/x': '',
      '-x': '',
      'a b': '',
    };
    const folder = folderOf({ ...files, ...names });
    const { tree } = await pack(folder);
    const place = temporaryFolder();
    renameSync(folder, join(place, 'dist'));
    chmodSync(join(place, 'dist'), 0o700);
    execFileSync('sh', ['-euc', recipe], { cwd: place });
    expect((await gateArchive(join(place, 'web-ui.tar.gz'))).tree).toEqual(tree);
  });

  it('in its own format is read where no name is long', async () => {
    const folder = folderOf(WEB_UI);
    const { tree } = await pack(folder);
    expect((await gateArchive(makeTar(folder, ['--format=gnu', ...careful]))).tree).toEqual(tree);
    const long = folderOf(files);
    const error = await errorOf(() => gateArchive(makeTar(long, ['--format=gnu', ...careful])));
    expect(error.message).toContain("'././@LongLink' is a GNU long name");
  });

  it.each(['gnu', 'ustar', 'posix', 'v7', 'oldgnu'])(
    'in the %s format from a folder of 0700 is refused for that first',
    async (format) => {
      const folder = folderOf(WEB_UI);
      chmodSync(folder, 0o700);
      const out = join(temporaryFolder(), 'web-ui.tar.gz');
      run('tar', ['-C', folder, '-czf', out, `--format=${format}`, '.']);
      const error = await errorOf(() => gateArchive(out));
      expect(error).toMatchObject({ code: 'ARCHIVE_REFUSED', exit: 3 });
      const expected =
        format === 'v7'
          ? 'is not of a known tar format'
          : "archive 'web-ui.tar.gz': root directory './' is drwx------ (0700), expected drwxr-xr-x (0755)";
      expect(error.message).toContain(expected);
    },
  );

  it('with links, from a folder above, or as another user is refused', async () => {
    const folder = folderOf(WEB_UI);
    const make = (args: readonly string[]): string => {
      const out = join(temporaryFolder(), 'x.tar');
      run('tar', ['-cf', out, ...args]);
      return out;
    };
    expect(
      (await errorOf(() => gateArchive(make(['-C', join(folder, '..'), 'tree'])))).message,
    ).toContain(
      "has no root directory: expected './' drwxr-xr-x (0755) first, found 'tree/' drwxr-xr-x (0755)",
    );
    expect(
      (await errorOf(() => gateArchive(make(['-C', folder, '--sort=name', '.'])))).message,
    ).toContain("belongs to 0:0 ('root:root'), expected 0:0 without names");
    symlinkSync('index.html', join(folder, 'link'));
    const error = await errorOf(() =>
      gateArchive(make(['-C', folder, '--sort=name', ...careful, '.'])),
    );
    expect(error.message).toContain("'./link' is a symbolic link to 'index.html'");
  });
});
