/** What must hold of a delta, its base and what was signed, before anything is read of the base or written. */
import {
  checkListing,
  type ListingEntry,
  sameTree,
  type TreeInfo,
  treeInfo,
} from '@landfall/archive';
import { baseDigest } from './base-digest.ts';
import { type Change, changeListing, oldFile } from './change.ts';
import { DeltaError, refused } from './errors.ts';
import type { Instructions } from './instructions.ts';
import { MAX_DICTIONARY_BYTES, MAX_REREADS } from './limits.ts';

/** What was signed of a component of kind `file`. Size in bytes, digest in hex. */
export interface FileInfo {
  mode: number;
  contentSha256: string;
  contentSize: number;
}

/**
 * The change that the delta makes to `base`, whose places are its own order.
 * Throws `DeltaError` DELTA_BASE when it was made from another, DELTA_REFUSED
 * when it does not lead to `expect`; `ArchiveError` ARCHIVE_REFUSED when what it
 * leads to may not travel.
 */
export function checkDelta(
  instructions: Instructions,
  base: readonly ListingEntry[],
  expect: TreeInfo | FileInfo,
): Change {
  const found = baseDigest(base);
  if (instructions.base !== found) {
    throw new DeltaError(
      'DELTA_BASE',
      `the delta is for another base: expected ${instructions.base.slice(0, 12)}, found ${found.slice(0, 12)}`,
      { hint: 'take the whole artifact' },
    );
  }
  const change = changeListing(base, instructions);
  requireExpected(change.listing, expect);
  requireFrames(instructions, base);
  return change;
}

function requireExpected(listing: readonly ListingEntry[], expect: TreeInfo | FileInfo): void {
  if ('contentSha256' in expect) {
    const [file, ...others] = listing;
    const isExpected =
      file?.type === 'file' &&
      others.length === 0 &&
      file.path === '.' &&
      file.mode === expect.mode &&
      file.size === expect.contentSize &&
      file.sha256 === expect.contentSha256;
    if (!isExpected) throw refused('leads to another file than was signed');
    return;
  }
  const tree = treeInfo(listing);
  if (!sameTree(tree, expect)) {
    throw refused(
      `leads to another tree than was signed: expected ${expect.digest.slice(0, 12)}, found ${tree.digest.slice(0, 12)}`,
    );
  }
  checkListing('the tree of the delta', listing);
}

/** Frames give what the files need, from parts that are there, and read no more than is worth reading. */
function requireFrames({ frames, outputs }: Instructions, base: readonly ListingEntry[]): void {
  const needed = total(outputs.map(({ size }) => size));
  if (needed !== total(frames.map(({ content }) => content))) {
    throw refused('has frames that do not add up to its files');
  }
  const most = MAX_REREADS * total(base.map(({ size }) => size));
  let read = 0;
  for (const { ranges, content } of frames) {
    for (const { file, offset, length } of ranges) {
      if (offset + length > oldFile(base, file).size) {
        throw refused('refers to a part that is not in its file');
      }
    }
    const dictionary = total(ranges.map(({ length }) => length));
    read += dictionary;
    if (dictionary > MAX_DICTIONARY_BYTES || read > most || content === 0) {
      throw refused('has a frame that refers to more than a frame may');
    }
  }
}

function total(sizes: readonly number[]): number {
  return sizes.reduce((sum, size) => sum + size, 0);
}
