/**
 * Hostile archives that differ from others only in how the same thing is
 * spelled, where it stands, or where the file breaks off; one per row.
 */
import { gzipSync } from 'node:zlib';
import * as build from '../../harness/tar-builder.ts';
import { directory, file, pax, rawEntry, ROOT, tar } from '../../harness/tar-builder.ts';
import { skippableFrame, zeroFrame, zstdFrame } from '../../harness/zstd-builder.ts';
import { rootMode, type Row } from './hostile-entries.ts';

const link = (name: string, linkName: string, flag = '2'): Buffer =>
  rawEntry({ name, flag, linkName, mode: 0o777 });

export const ROOT_SPELLING_ROWS: readonly Row[] = [
  ["root 0700 as '././'", rootMode('././'), "root directory '././' is drwx------ (0700)"],
  ["root 0700 as '///'", rootMode('///'), "root directory '///' is drwx------ (0700)"],
  ["root 0700 as './a/../'", rootMode('./a/../'), "'./a/../' is drwx------ (0700)"],
  [
    'root 0700 by a prefix',
    tar([directory('.', { prefix: './.', mode: 0o700 })]),
    "root directory '././.' is drwx------ (0700)",
  ],
  [
    'root 0700 in the middle',
    tar([file('./a', 'x'), directory('./', { mode: 0o700 }), file('./b', 'x')]),
    "root directory './' is drwx------ (0700)",
  ],
  [
    'root 0700 as GNU tar writes it',
    tar([directory('./', { mode: '0000700\0', magic: build.GNU_MAGIC })]),
    "root directory './' is drwx------ (0700)",
  ],
  [
    'root 0700 in few digits',
    tar([directory('./', { mode: '700 \0\0\0\0' })]),
    "root directory './' is drwx------ (0700)",
  ],
  ['root setuid', tar([directory('./', { mode: 0o4755 })]), 'is drwsr-xr-x (4755)'],
  ['root with content', tar([directory('./', { content: 'x' })]), 'is a directory with content'],
  ['root of another owner', tar([directory('./', { uid: 33 })]), "'./' belongs to 33:0"],
];

export const LINK_ROWS: readonly Row[] = [
  [
    'a symbolic link, then a file through it',
    tar([ROOT, link('./a', '/tmp'), file('./a/b', 'x')]),
    "'./a' is a symbolic link to '/tmp'",
  ],
  [
    'a directory, then a symbolic link in its place',
    tar([ROOT, directory('./a/'), link('./a', '../..'), file('./a/b', 'x')]),
    "'./a' is a symbolic link to '../..'",
  ],
  ['a symbolic link to itself', tar([ROOT, link('./a', 'a')]), "a symbolic link to 'a'"],
  ['a symbolic link to nothing', tar([ROOT, link('./a', '')]), "'./a' is a symbolic link,"],
  [
    'a symbolic link with a slash at its end',
    tar([ROOT, link('./a/', '/etc')]),
    "'./a/' is a symbolic link to '/etc'",
  ],
  [
    'a hard link to a file of the machine',
    tar([ROOT, link('./a', '/etc/shadow', '1')]),
    "a hard link to '/etc/shadow'",
  ],
  [
    'a hard link to a file before it, with content',
    tar([
      ROOT,
      file('./a', 'x'),
      rawEntry({ name: './b', flag: '1', linkName: './a', content: 'y' }),
    ]),
    "'./b' is a hard link to './a'",
  ],
  [
    'a symbolic link by pax',
    tar([ROOT, pax({ linkpath: '/etc' }), link('./a', 'harmless')]),
    "'linkpath', expected path or size",
  ],
  [
    'a device of the kernel',
    tar([ROOT, rawEntry({ flag: '4', device: 8 })]),
    'has a device number',
  ],
  [
    'a file with the device bits of another',
    tar([ROOT, file('./a', '', { mode: 0o60644 })]),
    '(60644)',
  ],
  ['setgid file', tar([ROOT, file('./a', '', { mode: 0o2755 })]), "'./a' is -rwxr-sr-x (2755)"],
  ['sticky file', tar([ROOT, file('./a', '', { mode: 0o1644 })]), "'./a' is -rw-r--r-T (1644)"],
  ['setuid directory', tar([ROOT, directory('./a/', { mode: 0o4755 })]), 'drwsr-xr-x (4755)'],
];

export const TRAVERSAL_ROWS: readonly Row[] = [
  ...(
    [
      ['with backslashes', String.raw`./..\..\etc\x`],
      ['with one backslash', String.raw`./a\..\..\x`],
      ['in full-width dots', './\uFF0E\uFF0E'],
      ['in full-width dots and slashes', './a\uFF0F\uFF0E\uFF0E\uFF0Fx'],
      ['in a two dot leader', './\u2025'],
      ['behind a zero-width joiner', './.\u200D.'],
      ['in percent encoding', './%2e%2E%2fx'],
      ['in percent encoding of a backslash', './..%5cx'],
    ] as const
  ).map(([how, name]): Row => [
    `parent ${how}`,
    tar([ROOT, file(name)]),
    "has a spelling of '..' in its path",
  ]),
  ['parent alone', tar([ROOT, file('..')]), "'..' has '..' in its path"],
  ['parent as the end', tar([ROOT, directory('./a/'), file('./a/../..')]), "has '..' in its path"],
  [
    'parent in overlong UTF-8',
    tar([ROOT, rawEntry({ name: Buffer.from('./\xc0\xae\xc0\xae/x', 'latin1') })]),
    'bad name field: not UTF-8',
  ],
  [
    'surrogates in UTF-8',
    tar([ROOT, rawEntry({ name: Buffer.from('./\xed\xa0\x80', 'latin1') })]),
    'bad name field: not UTF-8',
  ],
  [
    'absolute in a prefix',
    tar([ROOT, rawEntry({ prefix: '/etc', name: 'cron.d/x' })]),
    'is an absolute path',
  ],
  [
    'absolute in a pax path',
    tar([ROOT, pax({ path: '/etc/cron.d/x' }), file('./a')]),
    'is an absolute path',
  ],
  ['absolute with a backslash', tar([ROOT, file(String.raw`./\etc\x`)]), 'is an absolute path'],
  ['absolute with a drive', tar([ROOT, file(String.raw`./C:\x`)]), 'is an absolute path'],
  ['of a home', tar([ROOT, file('~/.ssh/authorized_keys')]), "does not start with './'"],
];

export const TWIN_ROWS: readonly Row[] = [
  ['twice, not side by side', tar([ROOT, file('./a'), file('./b'), file('./a')]), 'is there twice'],
  [
    'twice, the second by pax',
    tar([ROOT, file('./a', 'x'), pax({ path: './a' }), file('./b', 'y')]),
    "'a' is there twice",
  ],
  ['directory twice', tar([ROOT, directory('./a/'), directory('./a/')]), "'a' is there twice"],
  ['directory, then file', tar([ROOT, directory('./a/'), file('./a', 'x')]), "'a' is there twice"],
  [
    'twins by a mark that is passed over',
    tar([ROOT, file('./index.html'), file('./index\u200C.html')]),
    'differ only in case or Unicode form',
  ],
  [
    'twins by a soft hyphen',
    tar([ROOT, file('./ab'), file('./a\u00ADb')]),
    'differ only in case or Unicode form',
  ],
  ['twins by the Kelvin sign', tar([ROOT, file('./k'), file('./\u212A')]), 'differ only in case'],
  ['twins by a ligature', tar([ROOT, file('./fi'), file('./\uFB01')]), 'differ only in case'],
  ['twins in Greek', tar([ROOT, file('./\u03C2'), file('./\u03C3')]), 'differ only in case'],
];

const GOOD = tar([ROOT, pax({ path: './a' }), file('./a', 'x'.repeat(700))]);

export const BREAK_ROWS: readonly Row[] = [
  ...(
    [
      ['a header', 700],
      ['a pax record', 1030],
      ['the padding of a pax record', 1100],
      ['content', 2100],
      ['padding', 3000],
      ['the end', 3200],
    ] as const
  ).map(([where, at]): Row => [`truncated in ${where}`, GOOD.subarray(0, at), 'is truncated']),
  ['truncated zstd', zstdFrame(GOOD).subarray(0, -5), 'is truncated'],
  ['truncated gzip', gzipSync(GOOD).subarray(0, -9), 'is truncated'],
  [
    'zstd, then other data',
    Buffer.concat([zstdFrame(GOOD), Buffer.from('#!/bin/sh\n')]),
    'has other data where a frame starts',
  ],
  [
    'zstd, then a frame that readers skip',
    Buffer.concat([zstdFrame(GOOD), skippableFrame(Buffer.from('hidden'))]),
    'skippable frame that is not a seek table',
  ],
  [
    'gzip, then other data',
    Buffer.concat([gzipSync(GOOD), Buffer.from('#!/bin/sh and more bytes\n')]),
    'has other data where a gzip member starts',
  ],
  [
    'zstd, then a second archive',
    Buffer.concat([zstdFrame(GOOD), zstdFrame(GOOD)]),
    'has data after its end',
  ],
  ['a window of 2 GiB', zeroFrame(undefined, [1024], 31), 'needs a zstd window of'],
  [
    'a file of one byte more than allowed',
    tar([ROOT, pax({ size: '8589934593' }), file('./e', '', { size: 0 })]),
    'is larger than 8589934592 bytes',
  ],
  [
    'a directory of 8 GiB',
    tar([ROOT, directory('./d/', { size: '77777777777\0' })]),
    'with content',
  ],
  [
    'a pax header of 8 GiB',
    tar([ROOT, rawEntry({ flag: 'x', size: '77777777777\0' })]),
    'has a pax header of 8589934591 bytes',
  ],
  [
    'a symbolic link of 8 GiB',
    tar([ROOT, rawEntry({ flag: '2', linkName: '/etc', size: '77777777777\0' })]),
    "is a symbolic link to '/etc'",
  ],
  [
    'sparse in pax 1.0, by another name',
    tar([ROOT, pax({ 'GNU.sparse.name': './etc', 'GNU.sparse.realsize': '9' }), file('./a')]),
    'GNU.sparse.name',
  ],
  [
    'pax size with a plus',
    tar([ROOT, pax({ size: '+1' }), file('./a', 'x')]),
    'pax size that is not a number',
  ],
  [
    'pax size beyond what numbers hold',
    tar([ROOT, pax({ size: '9007199254740993' }), file('./a', 'x')]),
    'pax size that is not a number',
  ],
  ['pax record of length 0', tar([ROOT, pax('0 path=./a\n'), file('./a')]), 'damaged record'],
];

/** All of the above. */
export const SPELLING_ROWS: readonly Row[] = [
  ...ROOT_SPELLING_ROWS,
  ...LINK_ROWS,
  ...TRAVERSAL_ROWS,
  ...TWIN_ROWS,
  ...BREAK_ROWS,
];
