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

/** Characters that are hashed in one call: thousands of small calls take longer than the hash. */
const HASHED_AT_ONCE = 65_536;

/**
 * SHA-256 over one line per entry, the root first and the others in byte order
 * of their paths: path, NUL, `d` or `f`, NUL, mode as four octal digits, NUL,
 * size in decimal, NUL, SHA-256 in hex (empty for a directory), newline.
 */
export class TreeDigest {
  readonly #hash = createHash('sha256');
  #lines = '';
  #size = 0;
  #entries = 0;

  /** Adds the next entry in that order. */
  add(entry: Omit<ListingEntry, 'sha256'>, sha256: string): void {
    const type = entry.type === 'directory' ? 'd' : 'f';
    const mode = MODES.get(entry.mode) ?? octal(entry.mode);
    this.#lines += `${entry.path}\0${type}\0${mode}\0${entry.size}\0${sha256}\n`;
    if (this.#lines.length >= HASHED_AT_ONCE) this.#hashLines();
    this.#size += entry.size;
    this.#entries += 1;
  }

  finish(): TreeInfo {
    this.#hashLines();
    return { digest: this.#hash.digest('hex'), size: this.#size, entries: this.#entries };
  }

  #hashLines(): void {
    this.#hash.update(this.#lines);
    this.#lines = '';
  }
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

/** Those that travel. */
const MODES: ReadonlyMap<number, string> = new Map(
  [0o644, 0o755].map((mode) => [mode, octal(mode)]),
);

/** What `TreeDigest` tells of a listing in any order. */
export function treeInfo(listing: readonly ListingEntry[]): TreeInfo {
  const digest = new TreeDigest();
  for (const entry of listing.toSorted(compareEntries)) digest.add(entry, entry.sha256);
  return digest.finish();
}

/** Whether two trees are the same. */
export function sameTree(a: TreeInfo, b: TreeInfo): boolean {
  return a.digest === b.digest && a.size === b.size && a.entries === b.entries;
}
