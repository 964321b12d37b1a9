/**
 * What a tree is, apart from any archive: its listing and its digest. The
 * digest is in the signed manifest, so its definition never changes.
 */
import { createHash } from 'node:crypto';
import { compareBytes } from './names.ts';

/** One directory or file. Directories have size 0 and no digest. */
export interface ListingEntry {
  /** Relative, `/` between names; `.` for the root. */
  path: string;
  type: 'directory' | 'file';
  /** Permission bits: 0o755 or 0o644. */
  mode: number;
  /** Bytes. */
  size: number;
  /** SHA-256 of the content in hex; empty for a directory. */
  sha256: string;
}

/** A tree in three figures: SHA-256 in hex, bytes of all files, entries with the root. */
export interface TreeInfo {
  digest: string;
  size: number;
  entries: number;
}

/** Root first, then byte order of the paths. */
export function compareEntries(a: { path: string }, b: { path: string }): number {
  if (a.path === '.' || b.path === '.') return Number(b.path === '.') - Number(a.path === '.');
  return compareBytes(a.path, b.path);
}

/**
 * SHA-256 over one line per entry, the root first and the others in byte order
 * of their paths: path, NUL, `d` or `f`, NUL, mode as four octal digits, NUL,
 * size in decimal, NUL, SHA-256 in hex (empty for a directory), newline.
 */
export function treeInfo(listing: readonly ListingEntry[]): TreeInfo {
  const hash = createHash('sha256');
  let size = 0;
  for (const entry of listing.toSorted(compareEntries)) {
    const type = entry.type === 'directory' ? 'd' : 'f';
    const mode = entry.mode.toString(8).padStart(4, '0');
    hash.update(`${entry.path}\0${type}\0${mode}\0${entry.size}\0${entry.sha256}\n`);
    size += entry.size;
  }
  return { digest: hash.digest('hex'), size, entries: listing.length };
}

/** Whether two trees are the same. */
export function sameTree(a: TreeInfo, b: TreeInfo): boolean {
  return a.digest === b.digest && a.size === b.size && a.entries === b.entries;
}
