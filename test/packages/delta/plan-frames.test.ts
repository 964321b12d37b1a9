/** Whatever changed, frames hold all of it, in order and within the caps of the format. */
import type { ListingEntry } from '@landfall/archive';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { compareListings } from '../../../packages/delta/compare.ts';
import {
  MAX_DICTIONARY_BYTES,
  MAX_FRAME_BYTES,
  MAX_RANGES,
} from '../../../packages/delta/limits.ts';
import { planFrames } from '../../../packages/delta/plan-frames.ts';

const SIZES = [0, 1, 5000, 3e6, 7e6, MAX_FRAME_BYTES, MAX_FRAME_BYTES + 1, 1e8];
/** Files `same-0.js`, … that are there in both, and `c-<digest>-0.js`, … that got a new name. */
function listing(sizes: readonly number[], build: string): ListingEntry[] {
  return sizes.map((size, index) => {
    const path = index % 2 === 0 ? `same-${index}.js` : `c-${build.repeat(8)}-${index}.js`;
    return { path, type: 'file', mode: 0o644, size, sha256: build.repeat(64) };
  });
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
