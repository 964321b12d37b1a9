/** What a delta is applied to, as one digest. */
import { type ListingEntry, treeInfo } from '@landfall/archive';

/** In hex: the digest of a tree, or the SHA-256 of a single file, whose one entry is `.`. */
export function baseDigest(listing: readonly ListingEntry[]): string {
  const [first] = listing;
  return first?.type === 'file' && first.path === '.' ? first.sha256 : treeInfo(listing).digest;
}
