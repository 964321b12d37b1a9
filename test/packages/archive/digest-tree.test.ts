/** A tree on the disk is what an extraction leaves, or is refused by name. */
import { chmodSync, mkdirSync, rmdirSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestTree, sameTree } from '@landfall/archive';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../harness/errors.ts';
import { folderOf, WEB_UI } from './helpers.ts';

describe('a tree on disk', () => {
  it.each([
    [
      'root 0700',
      (root: string): void => chmodSync(root, 0o700),
      'root directory is drwx------ (0700), expected drwxr-xr-x (0755)',
    ],
    [
      'index.html 0600',
      (root: string): void => chmodSync(join(root, 'index.html'), 0o600),
      "'index.html' is -rw------- (0600)",
    ],
    [
      'assets 0700',
      (root: string): void => chmodSync(join(root, 'assets'), 0o700),
      "'assets' is drwx------ (0700)",
    ],
    [
      'setuid',
      (root: string): void => chmodSync(join(root, 'bin/health'), 0o4755),
      "'bin/health' is -rwsr-xr-x (4755)",
    ],
    [
      'setgid',
      (root: string): void => chmodSync(join(root, 'assets'), 0o2755),
      "'assets' is drwxr-sr-x (2755)",
    ],
    [
      'a link',
      (root: string): void => symlinkSync('/etc', join(root, 'link')),
      "'link' is a symbolic link",
    ],
    [
      'a control character',
      (root: string): void => writeFileSync(join(root, 'a\u0007'), ''),
      'has a control character',
    ],
  ])('with %s is refused', async (_name, change, message) => {
    const root = folderOf(WEB_UI);
    change(root);
    const error = await errorOf(() => digestTree(root));
    expect(error).toMatchObject({ code: 'ARCHIVE_REFUSED', exit: 3 });
    expect(error.message).toContain(message);
  });

  it('that is a link, a file, or not there is refused', async () => {
    const root = folderOf(WEB_UI);
    symlinkSync(join(root, 'assets'), `${root}-link`);
    for (const path of [
      `${root}-link`,
      `${root}-link/`,
      join(root, 'index.html'),
      '/nonexistent',
    ]) {
      expect(await errorOf(() => digestTree(path))).toMatchObject({ code: 'ARCHIVE_REFUSED' });
    }
  });

  it.each([
    ['content', (root: string): void => writeFileSync(join(root, 'index.html'), 'x')],
    [
      'a file more',
      (root: string): void => {
        writeFileSync(join(root, 'more'), '');
        chmodSync(join(root, 'more'), 0o644);
      },
    ],
    ['a file less', (root: string): void => unlinkSync(join(root, 'index.html'))],
    ['a folder less', (root: string): void => rmdirSync(join(root, 'empty'))],
    [
      'a folder more',
      (root: string): void => {
        mkdirSync(join(root, 'more'));
        chmodSync(join(root, 'more'), 0o755);
      },
    ],
    ['an execute bit', (root: string): void => chmodSync(join(root, 'index.html'), 0o755)],
  ])('that differs by %s has another digest', (_name, change) => {
    const root = folderOf(WEB_UI);
    const before = digestTree(root);
    change(root);
    expect(sameTree(digestTree(root), before)).toBe(false);
  });
});
