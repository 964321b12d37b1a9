import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { planProbe, referencesOf } from '../../../updater/probe/plan.ts';
import { exampleWebUi, writeFiles } from '../../harness/release-factory.ts';
import { temporaryFolder } from '../../harness/temporary.ts';

function tree(files: Record<string, string>): string {
  const folder = join(temporaryFolder(), 'web-ui');
  writeFiles(folder, files);
  return folder;
}

function paths(folder: string, count: number): string[] {
  const plan = planProbe(folder, count);
  if (typeof plan === 'string') throw new Error(plan);
  return plan.assets.map((asset) => asset.path);
}

describe('what a page refers to', () => {
  it.each([
    ['<script src="/assets/app.js"></script>', ['assets/app.js']],
    ["<link rel=stylesheet href='assets/app.css'>", ['assets/app.css']],
    ['<img src=logo.svg>', ['logo.svg']],
    ['<script src="./a.js?v=3#x">', ['a.js']],
    ['<a href="two%20words.svg">', ['two words.svg']],
    ['<script src="https://cdn.example.org/x.js"><img src="//cdn/x.png">', []],
    ['<a href="mailto:a@b"><a href="#top"><a href="javascript:void 0"><img src="data:,x">', []],
    ['<a href="%E0%A4%A">', []],
    ['<div data-src="x.js" datasrc="y.js">', []],
    ['', []],
  ])('%s', (html, expected) => {
    expect(referencesOf(html)).toStrictEqual(expected);
  });
});

describe('the plan of a probe', () => {
  it('has the page, what it refers to first, and more of the tree, the same every time', () => {
    const folder = tree(exampleWebUi('1.0.0'));
    expect(paths(folder, 2)).toStrictEqual(['assets/app.js', 'assets/app.css']);
    expect(paths(folder, 8)).toStrictEqual([
      'assets/app.js',
      'assets/app.css',
      'assets/icons/one.svg',
      'assets/icons/two words.svg',
    ]);
    expect(planProbe(folder, 8)).toStrictEqual(planProbe(folder, 8));
    expect(planProbe(folder, 8)).toMatchObject({ index: { path: '', size: 139 } });
    expect(paths(folder, 0)).toStrictEqual([]);
  });

  it('spreads over a large tree', () => {
    const files = Object.fromEntries(
      Array.from({ length: 1000 }, (_, index) => [`f/${String(index).padStart(4, '0')}`, 'x']),
    );
    const chosen = paths(tree({ 'index.html': 'page', ...files }), 4);
    expect(chosen).toStrictEqual(['f/0000', 'f/0250', 'f/0500', 'f/0750']);
  });

  it('has as many as were asked for, however few of the files are fit for it', () => {
    const files = Object.fromEntries(
      Array.from({ length: 1000 }, (_, index) => {
        const isFit = index > 500 && index < 600;
        return [`f/${String(index).padStart(4, '0')}`, isFit ? 'x' : ''];
      }),
    );
    const folder = tree({ 'index.html': 'page', ...files, 'f/0100': 'x'.repeat(4_194_305) });
    expect(paths(folder, 4)).toStrictEqual(['f/0501', 'f/0502', 'f/0503', 'f/0504']);
  });

  it('leaves out what servers hide, empty files, and pages of folders', () => {
    const folder = tree({
      'index.html': '<img src=".secret"><img src="../outside">',
      '.secret': 'x',
      '.well-known/x': 'x',
      'empty.css': '',
      'about/index.html': 'x',
      'a.css': 'x',
    });
    expect(paths(folder, 8)).toStrictEqual(['a.css']);
  });

  it.each<[string, (folder: string) => void, string]>([
    ['missing', (folder) => rmSync(join(folder, 'index.html')), "it has no 'index.html'"],
    [
      'empty',
      (folder) => writeFileSync(join(folder, 'index.html'), ''),
      "its 'index.html' is empty",
    ],
    [
      'a folder',
      (folder) => {
        rmSync(join(folder, 'index.html'));
        mkdirSync(join(folder, 'index.html'));
      },
      "it has no 'index.html'",
    ],
    [
      'a link',
      (folder) => {
        rmSync(join(folder, 'index.html'));
        symlinkSync('/etc/hostname', join(folder, 'index.html'));
      },
      "it has no 'index.html'",
    ],
  ])('is none when the page is %s', (_, spoil, expected) => {
    const folder = tree(exampleWebUi('1.0.0'));
    spoil(folder);
    expect(planProbe(folder, 8)).toBe(expected);
  });
});
