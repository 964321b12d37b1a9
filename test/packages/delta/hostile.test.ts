/**
 * Deltas that are not what they should be. Whatever they hold, nothing lands
 * outside the folder, nothing of the base changes, and what is refused for its
 * instructions has written nothing at all.
 */
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { createHash } from 'node:crypto';
import { ArchiveError, digestTree, type TreeInfo, treeInfo } from '@landfall/archive';
import { DeltaError } from '@landfall/delta';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteWriter } from '../../../packages/delta/bytes.ts';
import { changeListing } from '../../../packages/delta/change.ts';
import { HEAD_BYTES, readAt, readInstructions } from '../../../packages/delta/container.ts';
import { encodeInstructions, type Instructions } from '../../../packages/delta/instructions.ts';
import { errorOf } from '../../harness/errors.ts';
import { temporaryFolder } from '../../harness/temporary.ts';
import { apply, deltaOf, fromBytes, handMade, type Signed, signed } from './scene.ts';

const TEXT = 'the quick brown fox jumps over the lazy dog. '.repeat(40);
const OLD = { 'a/one': TEXT, 'a/two': 'two', z: 'end' };
const NEW = { 'a/one': `${TEXT}More.`, 'a/two': 'two', 'b/new': 'new', z: 'end' };

const sha256 = (content: string): string => createHash('sha256').update(content).digest('hex');
const output = (target: number | string, content: string): Instructions['outputs'][number] => ({
  target,
  mode: 0o644,
  size: content.length,
  sha256: sha256(content),
});

/** Applies a delta that must be refused, and looks at what it left. */
async function refusal(path: string, from: Signed, to: Signed): Promise<DeltaError | ArchiveError> {
  const into = temporaryFolder();
  const error = await errorOf(() => apply(path, from, to, { into }));
  expect(digestTree(from.tree.root)).toMatchObject(from.info);
  expect(error instanceof DeltaError || error instanceof ArchiveError).toBe(true);
  if (/does not give|damaged frame|of another size/.test(error.message)) return error as DeltaError;
  expect(readdirSync(into), error.message).toEqual([]);
  return error as DeltaError;
}

/** Places in `OLD`: 0 `.`, 1 `a`, 2 `a/one`, 3 `a/two`, 4 `z`. */
const NEW_CONTENT = { size: 3, sha256: sha256('new') };
const GOOD_FRAME = zstdCompressSync(Buffer.from('new'));
const frame = (ranges: Instructions['frames'][number]['ranges'], content = 3) => ({
  packed: GOOD_FRAME.length,
  content,
  ranges,
});

describe('instructions', () => {
  const rows: [string, Partial<Instructions>, RegExp][] = [
    ['for another base', { base: 'f'.repeat(64) }, /for another base/],
    ['that lead elsewhere', { removed: [4] }, /another tree than was signed/],
    ['that remove what is not there', { removed: [5] }, /removes entry 5/],
    ['that remove the root', { removed: [0] }, /another tree than was signed/],
    ['that make a path twice', { folders: ['b', 'b'] }, /one path twice/],
    ['that make a path that is there', { folders: ['a'] }, /one path twice/],
    ['that replace what they removed', { removed: [4], outputs: [output(4, 'x')] }, /not there/],
    ['that replace a folder', { outputs: [output(1, 'x')] }, /refers to file 1/],
    ['that move a folder', { moved: [{ target: 'b', mode: 0o644, from: 1 }] }, /file 1/],
    ['that move what is not there', { moved: [{ target: 'b', mode: 0o644, from: 9 }] }, /file 9/],
    ['with more files than content', { outputs: [output('b', 'new')] }, /another tree/],
  ];

  it.each(rows)('%s are refused before anything is written', async (_name, rest, message) => {
    const from = signed(OLD);
    const error = await refusal(handMade({ base: from.info.digest, ...rest }), from, signed(NEW));
    expect(error.message).toMatch(message);
    expect(error.hint).toBeDefined();
  });

  /** Frames for the one new file of a tree that is otherwise signed as it comes. */
  const frames: [string, Instructions['frames'], RegExp][] = [
    ['fewer bytes than the files', [frame([], 2)], /do not add up to its files/],
    ['none at all', [], /do not add up to its files/],
    ['a part of a folder', [frame([{ file: 1, offset: 0, length: 1 }])], /file 1/],
    ['a part of nothing', [frame([{ file: 70, offset: 0, length: 1 }])], /file 70/],
    ['a part beyond the end', [frame([{ file: 4, offset: 1, length: 3 }])], /not in its file/],
    [
      'more parts than pay',
      [frame(Array.from({ length: 50 }, () => ({ file: 2, offset: 0, length: 1800 })))],
      /more than a frame may/,
    ],
    [
      'a dictionary of 64 MiB and more',
      [frame([{ file: 2, offset: 0, length: 2 ** 26 + 1 }])],
      /above 67108864/,
    ],
    ['content of 32 MiB and more', [frame([], 2 ** 25 + 1)], /above 33554432/],
  ];

  it.each(frames)('with frames of %s are refused', async (_name, list, message) => {
    const [from, to] = [signed(OLD), signed({ ...OLD, new: 'new' })];
    const instructions = { base: from.info.digest, outputs: [output('new', 'new')], frames: list };
    const error = await refusal(
      handMade(
        instructions,
        list.map(() => GOOD_FRAME),
      ),
      from,
      to,
    );
    expect(error.message).toMatch(message);
  });

  it('whose frames give other content, as long, are refused', async () => {
    const [from, to] = [signed(OLD), signed({ ...OLD, new: 'new' })];
    const packed = zstdCompressSync(Buffer.from('NEW'));
    const list = [{ packed: packed.length, content: 3, ranges: [] }];
    const instructions = { base: from.info.digest, outputs: [output('new', 'new')], frames: list };
    const error = await refusal(handMade(instructions, [packed]), from, to);
    expect(error).toMatchObject({ code: 'DELTA_REFUSED' });
    expect(error.message).toMatch(/does not give 'new' as it was signed/);
  });

  it.each(['../out', '/etc/out', 'a/../../out', 'a/two/x', 'c/without-parent', 'A', 'a\u0007', ''])(
    'never make %j, even where it was signed so',
    async (path) => {
      const from = signed(OLD);
      const entry = { path, type: 'file' as const, mode: 0o644, size: 3, sha256: sha256('new') };
      const info = treeInfo([...from.tree.listing, entry]);
      const list = [frame([])];
      const instructions = { base: from.info.digest, outputs: [output(path, 'new')], frames: list };
      const error = await refusal(handMade(instructions, [GOOD_FRAME]), from, { ...from, info });
      expect(error).toMatchObject({ code: 'ARCHIVE_REFUSED' });
    },
  );

  it('of bytes that are no numbers, texts or counts are refused', async () => {
    const [from, to] = [signed(OLD), signed(NEW)];
    const base = from.info.digest;
    const start = (then: (writer: ByteWriter) => void): Buffer => {
      const writer = new ByteWriter();
      writer.digest(base);
      then(writer);
      return writer.toBuffer();
    };
    const whole = encodeInstructions({
      base,
      removed: [],
      folders: [],
      moved: [],
      outputs: [],
      frames: [],
    });
    const texts: [Buffer, RegExp][] = [
      [Buffer.alloc(0), /ends early/],
      [start((writer) => writer.number(1000)), /ends early/],
      [Buffer.concat([start(() => {}), Buffer.alloc(9, 0xff)]), /above|too long/],
      [Buffer.concat([start(() => {}), Buffer.from([0x80, 0])]), /zeros at its end/],
      [Buffer.concat([start((w) => w.number(0)), Buffer.from([1, 2, 0xff, 0xfe])]), /not UTF-8/],
      [Buffer.concat([whole, Buffer.from([0])]), /goes on/],
    ];
    for (const [bytes, message] of texts) {
      expect((await refusal(fromBytes(bytes), from, to)).message).toMatch(message);
    }
  });
});

describe('lists longer than any tree needs', () => {
  const MOST = 120_000;
  /** Instructions that begin with these numbers, and go on with `item`, `count` times. */
  const listOf = (numbers: readonly number[], count: number, item: readonly number[]): Buffer => {
    const writer = new ByteWriter();
    for (const number of numbers) writer.number(number);
    return Buffer.concat([writer.toBuffer(), Buffer.alloc(count * item.length, Buffer.from(item))]);
  };
  /** A list of one, `b`. */
  const folder = [1, 1, 0x62];
  /** One with 8192 parts. */
  const full = [1, 1, 0x80, 0x40, ...Buffer.alloc(3 * 8192)];
  const rows: [string, Buffer, string][] = [
    ['of entries that go', listOf([MOST + 1], MOST + 1, [0]), 'entries that go'],
    ['of folders', listOf([0, MOST + 1], MOST + 1, [1, 0x62]), 'folders'],
    ['of files that are there', listOf([0, 0, MOST + 1], MOST + 1, [2, 0]), 'files'],
    ['of new files', listOf([0, 0, 0, MOST + 1], 17 * (MOST + 1), [2, 0]), 'files'],
    ['of folders and files', listOf([0, ...folder, MOST], MOST, [2, 0]), 'files'],
    ['of parts of all frames', listOf([0, 0, 0, 0, 33], 33, full), 'parts'],
  ];

  it.each(rows)('%s are refused before they are read', async (_name, lists, what) => {
    const [from, to] = [signed(OLD), signed(NEW)];
    const base = Buffer.from(from.info.digest, 'hex');
    const { code, message } = await refusal(fromBytes(Buffer.concat([base, lists])), from, to);
    expect(code).toBe('DELTA_REFUSED');
    expect(message).toMatch(`has too many ${what}: expected at most `);
  });
});

describe('the file', () => {
  it('cut short, or with a byte changed, is refused, and so are its instructions', async () => {
    const [from, to] = [signed(OLD), signed(NEW)];
    const path = await deltaOf(from, to);
    const good = readFileSync(path);
    for (let at = 0; at < good.length; at += 9) {
      for (const bytes of [good.subarray(0, at), changed(good, at)]) {
        writeFileSync(path, bytes);
        expect(await refusal(path, from, to)).toMatchObject({ code: 'DELTA_REFUSED' });
      }
    }
    writeFileSync(path, good);
    const { plain, frames } = await partsOf(path);
    for (let at = 0; at < plain.length; at += 2) {
      const { code } = await refusal(fromBytes(changed(plain, at), [frames]), from, to);
      expect(code).toBe(at < 32 ? 'DELTA_BASE' : 'DELTA_REFUSED');
    }
  });

  it('of random instructions is refused, or gives what they lead to, within the rules', async () => {
    const from = signed(OLD);
    const place = fc.integer({ min: 0, max: 5 });
    const target = fc.oneof(place, fc.constantFrom('b', 'b/x', 'a/x', '../x', 'A', 'a/two'));
    const mode = fc.constantFrom(0o644, 0o755);
    const written = fc.record({ target, mode }).map((each) => ({ ...each, ...NEW_CONTENT }));
    const instructions = fc.record({
      removed: fc
        .uniqueArray(place, { maxLength: 2 })
        .map((list) => list.toSorted((a, b) => a - b)),
      folders: fc.array(fc.constantFrom('b', 'c', '../c', 'a/two/d'), { maxLength: 2 }),
      moved: fc.array(fc.record({ target, mode, from: place }), { maxLength: 2 }),
      outputs: fc.array(written, { maxLength: 2 }),
    });
    const outcomes = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(instructions, async (random) => {
        const list = random.outputs.map(() => frame([]));
        const whole = { base: from.info.digest, ...random, frames: list };
        const path = handMade(
          whole,
          list.map(() => GOOD_FRAME),
        );
        const into = temporaryFolder();
        // What it leads to is what was signed: only the rules stand against it.
        const info = leadsTo(from, whole) ?? from.info;
        const code = await apply(path, from, { ...from, info }, { into }).then(
          () => 'done',
          (error: DeltaError) => error.code,
        );
        const isDone = code === 'done';
        expect(isDone ? digestTree(into).digest : readdirSync(into)).toEqual(
          isDone ? info.digest : [],
        );
        outcomes.set(code, (outcomes.get(code) ?? 0) + 1);
      }),
      { numRuns: 120 },
    );
    expect([...outcomes.keys()].toSorted()).toEqual(['ARCHIVE_REFUSED', 'DELTA_REFUSED', 'done']);
    expect(digestTree(from.tree.root)).toMatchObject(from.info);
  });
});

function changed(good: Buffer, at: number): Buffer {
  const copy = Buffer.from(good);
  copy[at] = (copy[at] ?? 0) ^ (1 << (at % 8));
  return copy;
}

/** The instructions of the delta at `path`, unpacked, and its frames as they are. */
async function partsOf(path: string): Promise<{ plain: Buffer; frames: Buffer }> {
  const fd = openSync(path, 'r');
  try {
    const instructions = await readInstructions(fd);
    const bytes = instructions.frames.reduce((sum, { packed }) => sum + packed, 0);
    return { plain: encodeInstructions(instructions), frames: readAt(fd, HEAD_BYTES, bytes) };
  } finally {
    closeSync(fd);
  }
}

/** What would have to be signed for it; undefined where it does not fit its base. */
function leadsTo({ tree }: Signed, instructions: Instructions): TreeInfo | undefined {
  try {
    return treeInfo(changeListing(tree.listing, instructions).listing);
  } catch {
    return undefined;
  }
}

describe('a base', () => {
  const [from, to] = [OLD, NEW];

  it.each([
    ['a file that is kept', 'a/two', (path: string) => writeFileSync(path, 'TWO')],
    [
      'a file that is a part of another',
      'a/one',
      (path: string) => writeFileSync(path, TEXT.toUpperCase()),
    ],
    ['a file that became shorter', 'a/one', (path: string) => writeFileSync(path, '')],
    ['a file that is gone', 'z', (path: string) => unlinkSync(path)],
    [
      'a link in place of a file',
      'a/two',
      (path: string) => (unlinkSync(path), symlinkSync('/etc/passwd', path)),
    ],
  ])('with %s is told', async (_name, name, damage) => {
    const [old, fresh] = [signed(from), signed(to)];
    const path = await deltaOf(old, fresh);
    damage(join(old.tree.root, name));
    const error = await errorOf(() => apply(path, old, fresh));
    expect(error).toMatchObject({ code: 'DELTA_BASE' });
    expect(error.message).toContain(`'${name}'`);
  });

  it('with a file that changed is told, though its bytes are copied', async () => {
    const [old, fresh] = [signed(from), signed(to)];
    const path = await deltaOf(old, fresh);
    writeFileSync(join(old.tree.root, 'a/two'), 'TWO');
    const error = await errorOf(() => apply(path, old, fresh, { keep: () => 'copy' }));
    expect(error).toMatchObject({ code: 'DELTA_BASE' });
    expect(error.message).toContain("'a/two'");
  });

  it('is not what it was listed as', async () => {
    const [old, fresh] = [signed(from), signed(to)];
    const path = await deltaOf(old, fresh);
    const error = await errorOf(() => apply(path, fresh, fresh));
    expect(error).toMatchObject({ code: 'DELTA_BASE' });
    expect(error.message).toMatch(/another base/);
  });

  it('whose folder is a link is not entered, nor a folder that holds something', async () => {
    const [old, fresh] = [signed(from), signed(to)];
    const path = await deltaOf(old, fresh);
    const link = join(temporaryFolder(), 'link');
    symlinkSync(old.tree.root, link);
    const through = { ...old, tree: { ...old.tree, root: link } };
    expect(await errorOf(() => apply(path, through, fresh))).toMatchObject({ code: 'DELTA_IO' });
    const into = old.tree.root;
    const error = await errorOf(() => apply(path, old, fresh, { into }));
    expect(error.message).toMatch(/is not empty/);
    expect(statSync(into).isDirectory()).toBe(true);
  });
});
