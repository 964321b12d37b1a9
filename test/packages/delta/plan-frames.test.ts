/** Whatever changed, frames hold all of it, in order and within the caps of the format. */
import type { ListingEntry } from '@landfall/archive';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { compareListings } from '../../../packages/delta/compare.ts';
import {
  MAX_ALL_RANGES,
  MAX_DICTIONARY_BYTES,
  MAX_FRAME_BYTES,
  MAX_RANGES,
  MAX_REREADS,
} from '../../../packages/delta/limits.ts';
import { type FramePlan, planFrames } from '../../../packages/delta/plan-frames.ts';

const SIZES = [0, 1, 5000, 3e6, 7e6, MAX_FRAME_BYTES, MAX_FRAME_BYTES + 1, 1e8];
/** Files `same-0.js`, … that are there in both, and `c-<digest>-0.js`, … that got a new name. */
function listing(sizes: readonly number[], build: string): ListingEntry[] {
  return sizes.map((size, index) => {
    const path = index % 2 === 0 ? `same-${index}.js` : `c-${build.repeat(8)}-${index}.js`;
    return { path, type: 'file', mode: 0o644, size, sha256: build.repeat(64) };
  });
}

/** Parts, and bytes of them, that all frames refer to. */
function referred(frames: readonly FramePlan[]): { parts: number; bytes: number } {
  const ranges = frames.flatMap((frame) => frame.ranges);
  return { parts: ranges.length, bytes: ranges.reduce((sum, { length }) => sum + length, 0) };
}

it('cuts any change into frames', () => {
  const sizes = fc.array(fc.constantFrom(...SIZES), { maxLength: 40 });
  fc.assert(
    fc.property(sizes, sizes, (before, after) => {
      const base = listing(before, 'a');
      const { wanted } = compareListings(base, listing(after, 'b'));
      const { frames, order } = planFrames(base, wanted);
      for (const { content, pieces, ranges } of frames) {
        expect(content).toBeGreaterThan(0);
        expect(content).toBeLessThanOrEqual(MAX_FRAME_BYTES);
        expect(pieces.reduce((sum, { length }) => sum + length, 0)).toBe(content);
        const dictionary = ranges.reduce((sum, { length }) => sum + length, 0);
        expect(dictionary).toBeLessThanOrEqual(MAX_DICTIONARY_BYTES);
        // What the memory of the maker hangs on.
        expect(content + dictionary).toBeLessThanOrEqual(48 * 1024 * 1024);
        expect(ranges.length).toBeLessThanOrEqual(MAX_RANGES);
        expect(ranges.every(({ file, offset, length }) => offset + length <= before[file]!)).toBe(
          true,
        );
      }
      const total = before.reduce((sum, size) => sum + size, 0);
      expect(referred(frames).bytes).toBeLessThanOrEqual(MAX_REREADS * total);
      // Piece by piece, every file from its first byte to its last.
      const queue = order
        .filter(({ size }) => size > 0)
        .map(({ entry }) => ({ entry, left: entry.size }));
      const pieces = frames.flatMap((frame) => frame.pieces).filter(({ length }) => length > 0);
      for (const { entry, offset, length } of pieces) {
        const [next] = queue;
        expect([entry, offset]).toEqual([next?.entry, entry.size - (next?.left ?? 0)]);
        if (next !== undefined) next.left -= length;
        if (next?.left === 0) queue.shift();
      }
      expect(queue).toEqual([]);
    }),
    { numRuns: 60 },
  );
});

it('refers to no more parts than all frames may, however many files are alike', () => {
  const NAMES = Array.from('abcdefghijklmnopqrst');
  /** Hundreds of folders that hold files of the same names, and a large file that stays. */
  const tree = (build: string, folders: number): ListingEntry[] => [
    { path: '0', type: 'file', mode: 0o644, size: 1e9, sha256: '0'.repeat(64) },
    ...Array.from({ length: folders }, (_, index) =>
      NAMES.map((name): ListingEntry => {
        const path = `${build}/${index}/${name}`;
        return { path, type: 'file', mode: 0o644, size: 10, sha256: build.repeat(64) };
      }),
    ).flat(),
  ];
  const [base, next] = [tree('a', 512), tree('b', 40)];
  const { frames } = planFrames(base, compareListings(base, next).wanted);
  const { parts } = referred(frames);
  expect(parts).toBeLessThanOrEqual(MAX_ALL_RANGES);
  expect(parts).toBeGreaterThan(MAX_ALL_RANGES - MAX_RANGES);
  expect(frames.reduce((sum, { content }) => sum + content, 0)).toBe(40 * NAMES.length * 10);
});

it('refers to no more bytes than all frames may, however often an old file is the nearest', () => {
  const [base, next] = [listing([100], 'a'), listing([1e9], 'b')];
  const { frames } = planFrames(base, compareListings(base, next).wanted);
  expect(frames.length).toBeGreaterThan(MAX_REREADS);
  expect(referred(frames)).toEqual({ parts: MAX_REREADS, bytes: MAX_REREADS * 100 });
});

it('refers to every old file of the largest tree where every file changed', () => {
  const tree = (build: string): ListingEntry[] =>
    Array.from({ length: 120_000 }, (_, index) => {
      return { path: `${index}`, type: 'file', mode: 0o644, size: 1e5, sha256: build.repeat(64) };
    });
  const [base, next] = [tree('a'), tree('b')];
  const { frames } = planFrames(base, compareListings(base, next).wanted);
  expect(referred(frames).parts).toBe(base.length);
});

it('refers to nothing for files that became empty', () => {
  const tree = (size: number, build: string): ListingEntry[] =>
    Array.from({ length: MAX_RANGES + 2 }, (_, index) => {
      const isLast = index === MAX_RANGES + 1;
      const sha256 = build.repeat(64);
      return { path: `${index}`, type: 'file', mode: 0o644, size: isLast ? 10 : size, sha256 };
    });
  const [base, next] = [tree(10, 'a'), tree(0, 'b')];
  const { frames, order } = planFrames(base, compareListings(base, next).wanted);
  expect(order).toHaveLength(next.length);
  expect(frames.map(({ content, ranges }) => [content, ranges.length])).toEqual([[10, 1]]);
});
