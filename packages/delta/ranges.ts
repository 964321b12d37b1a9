/** What a frame refers to, as its maker and its reader both see it. */
import type { ListingEntry } from '@landfall/archive';
import { isDictionary } from './codec.ts';
import type { Range } from './instructions.ts';

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
