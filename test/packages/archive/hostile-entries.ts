/** Archives whose format is right and whose entries must not travel, one per row. */
import { zstdCompressSync } from 'node:zlib';
import * as build from '../../harness/tar-builder.ts';
import { directory, file, pax, paxRecord, rawEntry, ROOT, tar } from '../../harness/tar-builder.ts';

/** [name, archive, what the message says] */
export type Row = readonly [string, Buffer, string | RegExp];

export const rootMode = (spelling: string, more: readonly Buffer[] = []): Buffer =>
  tar([directory(spelling, { mode: 0o700 }), ...more]);

export const ROOT_ROWS: readonly Row[] = [
  [
    'root 0700',
    rootMode('./'),
    "root directory './' is drwx------ (0700), expected drwxr-xr-x (0755)",
  ],
  ["root 0700 as '.'", rootMode('.'), "root directory '.' is drwx------ (0700)"],
  ["root 0700 as '/'", rootMode('/'), "root directory '/' is drwx------ (0700)"],
  ["root 0700 as './.'", rootMode('./.'), "root directory './.' is drwx------ (0700)"],
  ["root 0700 as './/'", rootMode('.//'), "root directory './/' is drwx------ (0700)"],
  ["root 0700 as 'a/..'", rootMode('a/..'), "root directory 'a/..' is drwx------ (0700)"],
  ['root 0700 with no name', rootMode(''), "root directory '' is drwx------ (0700)"],
  [
    'root 0700 in a pax path',
    tar([pax({ path: './' }), directory('./a/', { mode: 0o700 })]),
    "root directory './' is drwx------ (0700)",
  ],
  [
    'root 0700 last',
    tar([file('./a', 'x'), directory('./', { mode: 0o700 })]),
    "root directory './' is drwx------ (0700)",
  ],
  [
    'a good root, then one of 0700',
    tar([ROOT, file('./a', 'x'), directory('./', { mode: 0o700 })]),
    "root directory './' is drwx------ (0700)",
  ],
  [
    'root 0700 before other problems',
    tar([directory('./', { mode: 0o700 }), file('./z', ''), file('./a', ''), file('../x', '')]),
    /root directory '.\/' is drwx------ \(0700\), expected drwxr-xr-x \(0755\); and 2 more problems$/,
  ],
  ['root 0777', tar([directory('./', { mode: 0o777 })]), 'is drwxrwxrwx (0777)'],
  ['root sticky', tar([directory('./', { mode: 0o1755 })]), 'is drwxr-xr-t (1755)'],
  ['root spelled .', tar([directory('.')]), "root directory is spelled '.', expected './'"],
  ['root as a file', tar([rawEntry({ name: './', mode: 0o644 })]), "'./' is a file"],
  ['root twice', tar([ROOT, ROOT]), "'./' is there twice"],
  ['root second', tar([file('./a', 'x'), ROOT]), "root directory './' is entry 2"],
  [
    'no root',
    tar([file('./a', 'x')]),
    "has no root directory: expected './' drwxr-xr-x (0755) first",
  ],
  [
    'a folder of its own as root',
    tar([directory('web-ui/', { mode: 0o700 }), file('web-ui/index.html', 'x')]),
    "found 'web-ui/' drwx------ (0700)",
  ],
  ['nothing at all', tar([]), 'is not an archive'],
  ['nothing at all, compressed', zstdCompressSync(tar([])), 'has no root directory'],
];

export const TYPE_ROWS: readonly Row[] = [
  [
    'symbolic link',
    tar([ROOT, rawEntry({ flag: '2', linkName: '/etc' })]),
    "'./a' is a symbolic link to '/etc'",
  ],
  ['hard link', tar([ROOT, rawEntry({ flag: '1', linkName: './b' })]), "is a hard link to './b'"],
  [
    'symbolic link as root',
    tar([rawEntry({ name: './', flag: '2', linkName: '/etc' })]),
    "has no root directory: expected './' drwxr-xr-x (0755) first, found './' a symbolic link",
  ],
  ['character device', tar([ROOT, rawEntry({ flag: '3' })]), 'is a character device'],
  ['block device', tar([ROOT, rawEntry({ flag: '4' })]), 'is a block device'],
  ['fifo', tar([ROOT, rawEntry({ flag: '6' })]), 'is a fifo'],
  ['contiguous file', tar([ROOT, rawEntry({ flag: '7' })]), 'is a contiguous file'],
  [
    'GNU sparse file',
    tar([ROOT, rawEntry({ flag: 'S', magic: build.GNU_MAGIC })]),
    'is a sparse file',
  ],
  [
    'GNU long name',
    tar([ROOT, rawEntry({ flag: 'L', content: './x' }), file('./b')]),
    'is a GNU long name',
  ],
  [
    'GNU long link',
    tar([ROOT, rawEntry({ flag: 'K', content: './x' }), file('./b')]),
    'is a GNU long link',
  ],
  [
    'global pax header',
    tar([rawEntry({ flag: 'g', content: paxRecord('path', './x') }), ROOT]),
    'is a global pax header',
  ],
  ['old format', tar([ROOT, rawEntry({ flag: '\0' })]), 'is an entry of the old tar format'],
  ['unknown type', tar([ROOT, rawEntry({ flag: 'Z' })]), 'is of the unknown type "Z"'],
  [
    'file with a link target',
    tar([ROOT, file('./a', '', { linkName: '/etc/passwd' })]),
    'is a file with a link target',
  ],
  [
    'directory with content',
    tar([ROOT, directory('./a/', { content: 'x' })]),
    'is a directory with content',
  ],
  [
    'directory without slash',
    tar([ROOT, directory('./a')]),
    "'./a' is a directory, expected a slash at its end",
  ],
  ['file with slash', tar([ROOT, file('./a/')]), "'./a/' is a file, expected no slash at its end"],
  ['device number on a file', tar([ROOT, file('./a', '', { device: 1 })]), 'has a device number'],
];

export const MODE_ROWS: readonly Row[] = [
  ['setuid file', tar([ROOT, file('./a', '', { mode: 0o4755 })]), "'./a' is -rwsr-xr-x (4755)"],
  ['setgid directory', tar([ROOT, directory('./a/', { mode: 0o2755 })]), 'is drwxr-sr-x (2755)'],
  ['sticky directory', tar([ROOT, directory('./a/', { mode: 0o1777 })]), 'is drwxrwxrwt (1777)'],
  [
    'file 0600',
    tar([ROOT, file('./index.html', '', { mode: 0o600 })]),
    "'./index.html' is -rw------- (0600)",
  ],
  [
    'directory 0700',
    tar([ROOT, directory('./assets/', { mode: 0o700 })]),
    "'./assets/' is drwx------ (0700)",
  ],
  ['file type bits in the mode', tar([ROOT, file('./a', '', { mode: 0o100644 })]), '(100644)'],
  ['owner', tar([ROOT, file('./a', '', { uid: 1000, gid: 1000 })]), "'./a' belongs to 1000:1000"],
  [
    'owner name',
    tar([ROOT, file('./a', '', { userName: 'root' })]),
    "('root:'), expected 0:0 without names",
  ],
];

export const PATH_ROWS: readonly Row[] = [
  ['parent', tar([ROOT, file('../a')]), "'../a' has '..' in its path"],
  ['parent after ./', tar([ROOT, file('./../a')]), "has '..' in its path"],
  ['parent inside', tar([ROOT, directory('./a/'), file('./a/../../b')]), "has '..' in its path"],
  ['parent as a directory', tar([ROOT, directory('./../')]), "has '..' in its path"],
  [
    'parent in a prefix',
    tar([ROOT, rawEntry({ prefix: './..', name: 'a' })]),
    "has '..' in its path",
  ],
  [
    'parent in a pax path',
    tar([ROOT, pax({ path: './../a' }), file('./a')]),
    "has '..' in its path",
  ],
  ['absolute', tar([ROOT, file('/etc/cron.d/x')]), 'is an absolute path'],
  ['absolute after ./', tar([ROOT, file('.//etc/x')]), 'is an absolute path'],
  ['without ./', tar([ROOT, file('a')]), "'a' does not start with './'"],
  ['dot inside', tar([ROOT, directory('./a/'), file('./a/./b')]), "has '.' in its path"],
  [
    'empty name inside',
    tar([ROOT, directory('./a/'), file('./a//b')]),
    'has an empty name in its path',
  ],
  [
    'control character',
    tar([ROOT, file('./a\nb')]),
    String.raw`'./a\u{a}b' has a control character`,
  ],
  ['escape sequence', tar([ROOT, file('./a\u001B[2Jb')]), 'has a control character'],
  ['C1 control character', tar([ROOT, file('./a\u009Bb')]), 'has a control character'],
  ['text turned around', tar([ROOT, file('./a\u202Eb')]), 'has a control character'],
  [
    'not UTF-8',
    tar([ROOT, rawEntry({ name: Buffer.from([0x2e, 0x2f, 0xff]) })]),
    'bad name field: not UTF-8',
  ],
  ['NUL inside a name', tar([ROOT, file('./a\0b')]), 'bad name field: bytes after its end'],
  [
    'name of 256 bytes',
    tar([ROOT, pax({ path: `./${'n'.repeat(256)}` }), file('./n')]),
    'has a name that is too long',
  ],
  [
    'path of 1025 bytes',
    tar([ROOT, pax({ path: `./${`${'d'.repeat(205)}/`.repeat(5)}` }), directory('./n/')]),
    'too long: expected at most 1024 bytes',
  ],
  [
    '65 names deep',
    tar([ROOT, pax({ path: `./${'a/'.repeat(65)}` }), directory('./n/')]),
    'is too deep',
  ],
  ['twice', tar([ROOT, file('./a', 'x'), file('./a', 'y')]), "'a' is there twice"],
  ['file, then directory', tar([ROOT, file('./a', 'x'), directory('./a/')]), "'a' is there twice"],
  [
    'case twins',
    tar([ROOT, file('./README'), file('./Readme')]),
    "'README' and 'Readme' differ only in case",
  ],
  [
    'Unicode twins',
    tar([ROOT, file('./e\u0301'), file('./\u00E9')]),
    'differ only in case or Unicode form',
  ],
  ['folding twins', tar([ROOT, file('./STRASSE'), file('./stra\u00DFe')]), 'differ only in case'],
  ['twin directories', tar([ROOT, directory('./A/'), directory('./a/')]), 'differ only in case'],
  ['no parent', tar([ROOT, file('./a/b')]), "'a/b' has a parent that is not there: 'a'"],
  ['parent is a file', tar([ROOT, file('./a', 'x'), file('./a/b')]), 'has a parent that is a file'],
  [
    'parent in another case',
    tar([ROOT, directory('./A/'), file('./a/b')]),
    'has a parent that is not there',
  ],
  ['order', tar([ROOT, file('./b'), file('./a')]), "'a' comes after 'b', expected byte order"],
];
