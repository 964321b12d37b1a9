/**
 * The old listing and a delta's instructions give the new listing. Nothing is
 * read or written here; what comes out is compared with what was signed before
 * anything is.
 */
import { compareEntries, type ListingEntry } from '@landfall/archive';
import { refused } from './errors.ts';
import type { Instructions, Target } from './instructions.ts';

/** A file of the new tree, and the old file that has its content. */
export interface Kept {
  entry: ListingEntry;
  from: ListingEntry;
}

/** What the instructions make of the base. */
export interface Change {
  /** Of the new tree: root first, then byte order. */
  listing: ListingEntry[];
  /** In the listing's order. */
  kept: Kept[];
  /** In the order of the frames' content. */
  outputs: ListingEntry[];
}

const DIRECTORY_MODE = 0o755;

/** `base` in the order of its places. Throws `DeltaError` DELTA_REFUSED where the two do not fit. */
export function changeListing(base: readonly ListingEntry[], instructions: Instructions): Change {
  const listing = new NewListing(base, instructions.removed);
  for (const path of instructions.folders) {
    listing.put(path, { type: 'directory', mode: DIRECTORY_MODE, size: 0, sha256: '' });
  }
  const sources = new Map<string, ListingEntry>();
  for (const { target, mode, from } of instructions.moved) {
    const source = oldFile(base, from);
    const { size, sha256 } = source;
    sources.set(listing.put(target, { type: 'file', mode, size, sha256 }).path, source);
  }
  const outputs = instructions.outputs.map(({ target, mode, size, sha256 }) =>
    listing.put(target, { type: 'file', mode, size, sha256 }),
  );
  const entries = listing.entries();
  const written = new Set(outputs);
  const kept = entries
    .filter((entry) => entry.type === 'file' && !written.has(entry))
    .map((entry) => ({ entry, from: sources.get(entry.path) ?? entry }));
  return { listing: entries, kept, outputs };
}

/** The old file at `place`. */
export function oldFile(base: readonly ListingEntry[], place: number): ListingEntry {
  const entry = base[place];
  if (entry?.type !== 'file') throw refused(`refers to file ${place}, which is none of the base`);
  return entry;
}

class NewListing {
  readonly #base: readonly ListingEntry[];
  readonly #entries: Map<string, ListingEntry>;
  /** Paths that the delta gave an entry already. */
  readonly #put = new Set<string>();

  constructor(base: readonly ListingEntry[], removed: readonly number[]) {
    this.#base = base;
    this.#entries = new Map(base.map((entry) => [entry.path, entry]));
    for (const place of removed) {
      if (!this.#entries.delete(base[place]?.path ?? '')) {
        throw refused(`removes entry ${place}, which is none of the base`);
      }
    }
  }

  /** A target by place replaces the old file of that path; one by path must be new. */
  put(target: Target, rest: Omit<ListingEntry, 'path'>): ListingEntry {
    const path = typeof target === 'string' ? target : oldFile(this.#base, target).path;
    if (this.#entries.has(path) !== (typeof target === 'number') || this.#put.has(path)) {
      throw refused('makes one path twice, or replaces one that is not there');
    }
    const entry = { path, ...rest };
    this.#put.add(path);
    this.#entries.set(path, entry);
    return entry;
  }

  entries(): ListingEntry[] {
    return [...this.#entries.values()].toSorted(compareEntries);
  }
}
