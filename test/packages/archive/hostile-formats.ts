/** Archives that are not as the tar format says, or mean two things, one per row. */
import * as build from '../../harness/tar-builder.ts';
import { file, pax, paxRecord, rawEntry, ROOT, tar } from '../../harness/tar-builder.ts';
import type { Row } from './hostile-entries.ts';

export const NUMBER_ROWS: readonly Row[] = [
  ['negative size', tar([ROOT, file('./a', '', { size: '-0000000001\0' })]), 'bad size field'],
  [
    'base-256 size',
    tar([ROOT, rawEntry({ edit: (block) => block.set([0x80, 0, 0, 1], 124) })]),
    'bad size field',
  ],
  [
    'negative base-256 size',
    tar([ROOT, rawEntry({ edit: (block) => block.fill(0xff, 124, 136) })]),
    'bad size field',
  ],
  [
    'size with a space in front',
    tar([ROOT, file('./a', '', { size: '         0 \0' })]),
    'bad size field',
  ],
  ['size not octal', tar([ROOT, file('./a', '', { size: '00000000009\0' })]), 'bad size field'],
  ['empty size', tar([ROOT, file('./a', '', { size: '\0'.repeat(12) })]), 'bad size field'],
  ['hex mode', tar([ROOT, file('./a', '', { mode: '0x01ed\0 ' })]), 'bad mode field'],
  ['empty mode', tar([ROOT, file('./a', '', { mode: '\0'.repeat(8) })]), 'bad mode field'],
  [
    'wrong checksum',
    tar([ROOT, file('./a', '', { checksum: 1 })]),
    'entry 2 has a header with a wrong checksum',
  ],
  [
    'no magic',
    tar([ROOT, file('./a', '', { magic: '\0'.repeat(8) })]),
    'is not of a known tar format',
  ],
  [
    'mixed magic',
    tar([ROOT, file('./a', '', { magic: 'ustar 00' })]),
    'is not of a known tar format',
  ],
  [
    'data in the reserved field',
    tar([ROOT, rawEntry({ edit: (block) => block.fill(1, 500, 512) })]),
    'reserved fields',
  ],
  [
    'GNU offset fields',
    tar([ROOT, rawEntry({ magic: build.GNU_MAGIC, prefix: 'x' })]),
    'reserved fields',
  ],
  ['huge size', tar([ROOT, file('./a', '', { size: '77777777777\0' })]), /is truncated/],
  [
    'size beyond the limit',
    tar([ROOT, pax({ size: '9007199254740991' }), file('./a', '', { size: 0 })]),
    'is larger than',
  ],
];

export const PAX_ROWS: readonly Row[] = [
  [
    'pax size beside another size',
    tar([ROOT, pax({ size: '0' }), file('./a', 'evil')]),
    'has two sizes: 4 in its header, 0',
  ],
  [
    'negative pax size',
    tar([ROOT, pax({ size: '-1' }), file('./a', '')]),
    'pax size that is not a number',
  ],
  [
    'pax size with leading zero',
    tar([ROOT, pax({ size: '00' }), file('./a', '')]),
    'pax size that is not a number',
  ],
  [
    'pax size in words',
    tar([ROOT, pax({ size: '1e3' }), file('./a', '')]),
    'pax size that is not a number',
  ],
  ...['', 'soon', '1e9', '99999999999999999999'].map((time): [string, Buffer, string] => [
    `pax time '${time}', on which GNU tar fails`,
    tar([ROOT, pax({ mtime: time }), file('./a', '')]),
    `pax mtime of '${time}'`,
  ]),
  [
    'pax path with NUL',
    tar([ROOT, pax({ path: './a\0b' }), file('./a', '')]),
    "pax record 'path' with a NUL",
  ],
  [
    'pax record with NUL and a name that a terminal obeys',
    tar([ROOT, pax({ '\u001B[2J': 'a\0b' }), file('./a', '')]),
    String.raw`pax record '\u{1b}[2J' with a NUL`,
  ],
  [
    'empty pax path',
    tar([ROOT, pax({ path: '' }), file('./a', '')]),
    /root directory is spelled ''|'' is a file/,
  ],
  [
    'pax link path',
    tar([ROOT, pax({ linkpath: '/etc' }), file('./a', '')]),
    "'linkpath', expected path or size",
  ],
  ['pax owner', tar([ROOT, pax({ uid: '1000' }), file('./a', '')]), "'uid', expected path or size"],
  [
    'GNU sparse in pax',
    tar([ROOT, pax({ 'GNU.sparse.major': '1' }), file('./a', '')]),
    'GNU.sparse.major',
  ],
  [
    'extended attribute',
    tar([ROOT, pax({ 'SCHILY.xattr.security.capability': 'x' }), file('./a')]),
    'SCHILY.xattr',
  ],
  ['character set', tar([ROOT, pax({ hdrcharset: 'BINARY' }), file('./a')]), 'hdrcharset'],
  [
    'record twice',
    tar([ROOT, pax(paxRecord('path', './a') + paxRecord('path', './b')), file('./a')]),
    "record 'path' twice",
  ],
  ['record too long', tar([ROOT, pax('99 path=./a\n'), file('./a')]), 'damaged record'],
  ['record too short', tar([ROOT, pax('5 path=./a\n'), file('./a')]), 'damaged record'],
  ['record without newline', tar([ROOT, pax('12 path=./aX'), file('./a')]), 'damaged record'],
  ['record without key', tar([ROOT, pax('7 =./a\n'), file('./a')]), 'damaged record'],
  ['record length with a sign', tar([ROOT, pax('+13 path=./aa\n'), file('./a')]), 'damaged record'],
  [
    'record not UTF-8',
    tar([
      ROOT,
      rawEntry({ flag: 'x', content: Buffer.from('11 path=\xff\xff\n', 'latin1') }),
      file('./a'),
    ]),
    'not UTF-8',
  ],
  [
    'two pax headers',
    tar([ROOT, pax({ path: './a' }), pax({ path: './b' }), file('./a')]),
    'two pax headers in a row',
  ],
  [
    'pax header at the end',
    tar([ROOT, pax({ path: './a' })]),
    'a pax header that belongs to no entry',
  ],
  [
    'large pax header',
    tar([ROOT, pax({ comment: 'c'.repeat(20_000) }), file('./a')]),
    'has a pax header of',
  ],
  ['empty pax header', tar([ROOT, pax(''), file('./a')]), 'has a pax header of 0 bytes'],
];

export const END_ROWS: readonly Row[] = [
  ['no end', tar([ROOT, file('./a', 'x')], Buffer.alloc(0)), 'is truncated'],
  ['one block of zeros', tar([ROOT], Buffer.alloc(512)), 'is truncated'],
  [
    'one block of zeros, then an entry',
    tar([ROOT, Buffer.alloc(512), file('./a')]),
    'has data after its end',
  ],
  ['an entry after the end', tar([ROOT, build.END, file('./a')]), 'has data after its end'],
  ['a second archive', Buffer.concat([tar([ROOT]), tar([ROOT])]), 'has data after its end'],
  [
    'half a block after the end',
    Buffer.concat([tar([ROOT]), Buffer.alloc(100)]),
    'does not end at a whole block',
  ],
  [
    'data in the padding',
    tar([ROOT, file('./a', 'x', { padding: 'evil' })]),
    'data hidden after its content',
  ],
  [
    'endless zeros',
    Buffer.concat([tar([ROOT]), Buffer.alloc(2 * 1024 * 1024)]),
    'bytes after its end',
  ],
  [
    'HTML with 200',
    Buffer.from('<!doctype html>'.repeat(100)),
    'is not an archive: expected zstd, gzip or tar',
  ],
  ['empty file', Buffer.alloc(0), 'is empty'],
];
