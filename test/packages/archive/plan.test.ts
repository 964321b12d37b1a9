/** What may be packed, what is refused, and how every path is named. */
import { execFileSync } from 'node:child_process';
import { chmodSync, linkSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import {
  type ArchiveError,
  gateArchive,
  packTree,
  planTree,
  type TreePlan,
} from '@landfall/archive';
import { describe, expect, it, onTestFinished } from 'vitest';
import { MAX_ALL_PATH_BYTES } from '../../../packages/archive/limits.ts';
import { errorOf } from '../../harness/errors.ts';
import { temporaryFolder } from '../../harness/temporary.ts';
import { folderOf, WEB_UI } from './helpers.ts';

const plan = (folder: string, exclude: string[] = []): TreePlan =>
  planTree({ parts: [{ from: folder, at: '' }], exclude });
const paths = (planned: TreePlan): string[] => planned.entries.map((entry) => entry.path);

const mixedFolder = (): string =>
  folderOf({
    'a.js': '',
    'a.js.map': '',
    'x/b.js.map': '',
    '.vite/c.map': '',
    'x/.d.map': '',
    'tmp/deep/e': '',
    'x/tmp/f': '',
  });

/** The refusal that `make` throws, on one line. */
const refusal = async (make: () => unknown): Promise<ArchiveError> => {
  const error = await errorOf(make);
  expect(error).toMatchObject({ code: 'ARCHIVE_UNPACKABLE', exit: 3 });
  expect(error.message).toMatch(/^the tree cannot be packed: [^\n]*$/);
  return error as ArchiveError;
};

describe('paths', () => {
  it('are refused when they are more in all than the gate takes, and by one byte', async () => {
    const root = temporaryFolder();
    const way = Array.from({ length: 4 }, () => 'd'.repeat(240));
    const folder = join(root, ...way);
    mkdirSync(folder, { recursive: true });
    const inArchive = (path: string): number => path.length + 3;
    let left = MAX_ALL_PATH_BYTES - inArchive('');
    for (let depth = 1; depth <= way.length; depth += 1) {
      left -= inArchive(way.slice(0, depth).join('/')) + 1;
    }
    const least = inArchive(`${way.join('/')}/`);
    const count = Math.floor(left / (least + 20));
    const length = Math.floor(left / count) - least;
    for (let each = 0; each < count; each += 1) {
      // Some have one byte more: all that is left is taken.
      const more = each < left % count ? 1 : 0;
      writeFileSync(join(folder, String(each).padStart(length + more, '0')), '');
    }
    const path = join(temporaryFolder(), 'full.tar.zst');
    const full = plan(root);
    await packTree(full, path, { compression: 'zstd', mtime: 0 });
    expect((await gateArchive(path)).tree.entries).toBe(full.entries.length);

    const last = join(folder, String(count - 1).padStart(length, '0'));
    renameSync(last, `${last}x`);
    expect((await refusal(() => plan(root))).message).toContain(
      'has too long paths: expected at most 16777216 bytes in all, found 16777217',
    );
  });
});

describe('a planned tree', () => {
  it('has the root first, then byte order of paths, with modes normalised', () => {
    const folder = folderOf({
      ...WEB_UI,
      'assets.txt': '',
      'assets-old/a': '',
      '.well-known/x': '',
    });
    chmodSync(join(folder, 'index.html'), 0o666);
    chmodSync(join(folder, 'bin/health'), 0o700);
    const planned = plan(folder);
    expect(planned.entries.map(({ path, mode }) => `${path} ${mode.toString(8)}`)).toEqual([
      '. 755',
      '.well-known 755',
      '.well-known/x 644',
      'assets 755',
      'assets-old 755',
      'assets-old/a 644',
      'assets.txt 644',
      'assets/app.css 644',
      'assets/app.js 644',
      'assets/icons 755',
      'assets/icons/logo.svg 644',
      'bin 755',
      'bin/health 755',
      'empty 755',
      'index.html 644',
    ]);
  });

  it('is in the order of UTF-8 bytes, not of UTF-16 units', () => {
    const folder = folderOf({ '\u{1F600}': '', '\uFF5E': '', '\u00E9': '', z: '', '-': '' });
    expect(paths(plan(folder))).toEqual(['.', '-', 'z', '\u00E9', '\uFF5E', '\u{1F600}']);
  });

  it('warns about modes that would have broken a node', () => {
    const folder = folderOf(WEB_UI);
    chmodSync(folder, 0o700);
    chmodSync(join(folder, 'assets'), 0o700);
    chmodSync(join(folder, 'index.html'), 0o600);
    expect(plan(folder).warnings).toEqual([
      'the root directory is drwx------ (0700) on disk, packed as drwxr-xr-x (0755)',
      "2 entries are not readable by everyone on disk, packed as 0755 or 0644; the first is 'assets'",
    ]);
  });

  it('warns once about a folder that two parts have', () => {
    const [closed, open] = [folderOf({ 'assets/a': '' }), folderOf({ 'assets/b': '' })];
    chmodSync(closed, 0o700);
    for (const folder of [closed, open]) chmodSync(join(folder, 'assets'), 0o711);
    const both = [closed, open].map((from) => ({ from, at: '' }));
    for (const parts of [both, both.toReversed()]) {
      expect(planTree({ parts, exclude: [] }).warnings).toEqual([
        'the root directory is drwx------ (0700) on disk, packed as drwxr-xr-x (0755)',
        "1 entry is not readable by everyone on disk, packed as 0755 or 0644; the first is 'assets'",
      ]);
    }
  });

  it('takes hard links as files', () => {
    const folder = folderOf({ a: 'x' });
    linkSync(join(folder, 'a'), join(folder, 'b'));
    expect(paths(plan(folder))).toEqual(['.', 'a', 'b']);
  });

  it('bakes parts in at their places', () => {
    const icons = folderOf({ 'a.svg': '', 'dark/b.svg': '' });
    const planned = planTree({
      parts: [
        { from: folderOf({ 'index.html': '', 'assets/app.js': '' }), at: '' },
        { from: icons, at: 'assets/icons/' },
        { from: join(icons, 'a.svg'), at: 'static/deep/logo.svg' },
      ],
    });
    expect(paths(planned)).toEqual([
      '.',
      'assets',
      'assets/app.js',
      'assets/icons',
      'assets/icons/a.svg',
      'assets/icons/dark',
      'assets/icons/dark/b.svg',
      'index.html',
      'static',
      'static/deep',
      'static/deep/logo.svg',
    ]);
  });
});

describe('excludes', () => {
  it.each([
    ['**/*.map', ['.', '.vite', 'a.js', 'tmp', 'tmp/deep', 'tmp/deep/e', 'x', 'x/tmp', 'x/tmp/f']],
    [
      '*.map',
      [
        '.',
        '.vite',
        '.vite/c.map',
        'a.js',
        'tmp',
        'tmp/deep',
        'tmp/deep/e',
        'x',
        'x/.d.map',
        'x/b.js.map',
        'x/tmp',
        'x/tmp/f',
      ],
    ],
    [
      'tmp',
      [
        '.',
        '.vite',
        '.vite/c.map',
        'a.js',
        'a.js.map',
        'x',
        'x/.d.map',
        'x/b.js.map',
        'x/tmp',
        'x/tmp/f',
      ],
    ],
    ['**/tmp/', ['.', '.vite', '.vite/c.map', 'a.js', 'a.js.map', 'x', 'x/.d.map', 'x/b.js.map']],
    [
      './.vite',
      [
        '.',
        'a.js',
        'a.js.map',
        'tmp',
        'tmp/deep',
        'tmp/deep/e',
        'x',
        'x/.d.map',
        'x/b.js.map',
        'x/tmp',
        'x/tmp/f',
      ],
    ],
    ['{x,tmp,.*}', ['.', 'a.js', 'a.js.map']],
  ])('%s', (pattern, expected) => {
    const planned = plan(mixedFolder(), [pattern]);
    expect(paths(planned)).toEqual(expected);
    expect(planned.warnings).toEqual([]);
  });

  it.each([
    ['*.map', ['a,.map', 'x(.map', 'y{.map', 'z|.map', '.map']],
    ['a,.map', ['a,.map']],
    ['x(.map', ['x(.map']],
    ['[.]map', ['.map']],
    ['{a,b},.map', ['a,.map']],
    ['!(*.map)', ['index.html', '.keep']],
    ['?map', ['.map']],
  ])('take a dot for a dot wherever it stands: %s', (pattern, left) => {
    const names = ['a,.map', 'x(.map', 'y{.map', 'z|.map', '.map', 'index.html', '.keep'];
    const planned = plan(folderOf(Object.fromEntries(names.map((name) => [name, '']))), [pattern]);
    const packed = new Set(paths(planned));
    expect(names.filter((name) => !packed.has(name)).toSorted()).toEqual(left.toSorted());
  });

  it('that match nothing are told', () => {
    expect(plan(mixedFolder(), ['**/*.mapp', 'tmp']).warnings).toEqual([
      "exclude '**/*.mapp' matches nothing",
    ]);
  });

  it('are not looked at, so they may be anything', () => {
    const tree = mixedFolder();
    symlinkSync('/etc', join(tree, 'x/link'));
    expect(paths(plan(tree, ['x/link']))).toContain('x/b.js.map');
  });

  it('cover the place of a part', () => {
    const planned = planTree({ parts: [{ from: mixedFolder(), at: 'docs' }], exclude: ['docs'] });
    expect(paths(planned)).toEqual(['.']);
  });
});

describe('the tree cannot be packed with', () => {
  it('links, fifos, sockets, devices and special modes, and names every path', async () => {
    const folder = folderOf({
      'a/file': 'x',
      'b/file': 'x',
      setuid: '',
      'setgid/x': '',
      'sticky/x': '',
    });
    symlinkSync('file', join(folder, 'a/link'));
    symlinkSync('/nowhere', join(folder, 'dangling'));
    symlinkSync('a', join(folder, 'dirlink'));
    execFileSync('mkfifo', [join(folder, 'fifo')]);
    execFileSync('mknod', [join(folder, 'null'), 'c', '1', '3']);
    execFileSync('mknod', [join(folder, 'loop'), 'b', '7', '0']);
    chmodSync(join(folder, 'setuid'), 0o4755);
    chmodSync(join(folder, 'setgid'), 0o2755);
    chmodSync(join(folder, 'sticky'), 0o1777);
    const server = createServer().listen(join(folder, 'socket'));
    await new Promise((resolve) => server.once('listening', resolve));
    onTestFinished(() => void server.close());
    const error = await refusal(() => plan(folder));
    expect(error.problems.map((problem) => problem.what).toSorted()).toEqual([
      "'a/link' is a symbolic link, expected a file or a directory",
      "'dangling' is a symbolic link, expected a file or a directory",
      "'dirlink' is a symbolic link, expected a file or a directory",
      "'fifo' is a fifo, expected a file or a directory",
      "'loop' is a block device, expected a file or a directory",
      "'null' is a character device, expected a file or a directory",
      "'setgid' is setgid: drwxr-sr-x (2755)",
      "'setuid' is setuid: -rwsr-xr-x (4755)",
      "'socket' is a socket, expected a file or a directory",
      "'sticky' is sticky: drwxrwxrwt (1777)",
    ]);
    for (const problem of error.problems) expect(error.message).toContain(problem.what);
    expect(error.hint).toContain('chmod -R u-s,g-s,-t');
  });

  it('two names that differ only in case or Unicode form', async () => {
    const folder = folderOf({
      README: '',
      readme: '',
      'e\u0301': '',
      '\u00E9': '',
      'A/x': '',
      'a/x': '',
    });
    const error = await refusal(() => plan(folder));
    expect(error.problems.map((problem) => problem.what)).toEqual([
      "'A' and 'a' differ only in case",
      "'README' and 'readme' differ only in case",
      "'e\u0301' and '\u00E9' differ only in Unicode form",
    ]);
  });

  it('control characters, names that are not UTF-8, paths that are too long', async () => {
    const folder = folderOf({ 'bell\u0007': '', 'new\nline': '', fine: '' });
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0x66, 0xe9])]), '');
    let deep = folder;
    for (let index = 0; index < 5; index += 1) {
      deep = join(deep, String(index).repeat(250));
      mkdirSync(deep);
    }
    const error = await refusal(() => plan(folder));
    expect(error.problems).toHaveLength(4);
    expect(error.message).toContain(String.raw`'bell\u{7}' has a control character in its name`);
    expect(error.message).toContain(String.raw`'new\u{a}line' has a control character in its name`);
    expect(error.message).toContain("'f\u00E9' is not UTF-8");
    expect(error.message).toContain('is too long: expected at most 1024 bytes, found 1254');
  });

  it('a symlinked root, with or without a slash at its end', async () => {
    const folder = folderOf({ a: '' });
    const link = join(temporaryFolder(), 'dist');
    symlinkSync(folder, link);
    for (const from of [link, `${link}/`, `${link}/.`]) {
      const error = await refusal(() => plan(from));
      expect(error.message).toContain('is a symbolic link');
    }
  });

  it('a part that is not there', async () => {
    const error = await refusal(() => plan('/nonexistent/dist'));
    expect(error.message).toContain("'/nonexistent/dist' cannot be read: no such file");
  });

  it.each(['../up', '/abs', 'a//b', 'a/../b', './a', 'a/\u0000'])('a part at %j', async (at) => {
    const folder = folderOf({ a: '' });
    const error = await refusal(() => planTree({ parts: [{ from: folder, at }] }));
    expect(error.message).toMatch(/path|control/);
  });

  it('a file as the root', async () => {
    const from = join(folderOf({ a: '' }), 'a');
    const error = await refusal(() => planTree({ parts: [{ from, at: '' }] }));
    expect(error.message).toContain('is a file and has no place');
  });

  it('two parts that want one place', async () => {
    const main = folderOf({ 'assets/logo.svg': 'a', 'icons/x': '', plain: '' });
    const other = folderOf({ 'logo.svg': 'b', other: '' });
    const error = await refusal(() =>
      planTree({
        parts: [
          { from: main, at: '' },
          { from: other, at: 'assets' },
          { from: join(other, 'other'), at: 'icons' },
          { from: join(other, 'other'), at: 'plain/below' },
        ],
      }),
    );
    expect(error.problems.map((problem) => problem.path)).toEqual([
      'assets/logo.svg',
      'icons',
      'plain',
    ]);
    expect(error.message).toContain(
      `'assets/logo.svg' comes from two parts: '${main}/assets/logo.svg' and '${other}/logo.svg'`,
    );
  });

  it('more problems than fit a line: the message counts, the error holds all', async () => {
    const folder = folderOf({});
    for (let index = 0; index < 150; index += 1) symlinkSync('x', join(folder, `link-${index}`));
    const error = await refusal(() => plan(folder));
    expect(error.problems).toHaveLength(150);
    expect(error.message).toMatch(/; and 50 more$/);
  });
});
