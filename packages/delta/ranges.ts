/** What a frame refers to, as its maker and its reader both see it. */
import type { ListingEntry } from '@landfall/archive';
import { isDictionary } from './codec.ts';
import type { Frame, Instructions, Range } from './instructions.ts';

/** The parts of old files that a frame refers to, one behind the other; undefined when they are no dictionary. */
export function readRanges(
  base: readonly ListingEntry[],
  ranges: readonly Range[],
  read: (entry: ListingEntry, offset: number, target: Buffer) => void,
): Buffer | undefined {
  const dictionary = Buffer.allocUnsafeSlow(ranges.reduce((sum, each) => sum + each.length, 0));
  let at = 0;
  for (const { file, offset, length } of ranges) {
    const entry = base[file];
    if (entry !== undefined) read(entry, offset, dictionary.subarray(at, (at += length)));
  }
  return isDictionary(dictionary) ? dictionary : undefined;
}

/**
 * Bytes of memory that it takes to unpack the frames, one after the other: the
 * decoder has a copy of what it refers to and a window, and what the frame
 * before it took may not have been given back yet.
 */
export function memoryNeeded({ frames }: Instructions): number {
  return frames.reduce((most, frame) => Math.max(most, needOf(frame)), 0);
}

function needOf({ packed, content, ranges }: Frame): number {
  const dictionary = ranges.reduce((sum, { length }) => sum + length, 0);
  return 2 * packed + 3 * (content + dictionary);
}
