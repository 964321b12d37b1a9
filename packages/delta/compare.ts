/**
 * What leads from one listing to another: which entries go, which come, which
 * have the content of an old file, and for the rest which old files they are
 * likely to resemble.
 */
import type { ListingEntry } from '@landfall/archive';
import { familyOf, Relatives } from './relatives.ts';
import type { Instructions, Output, Target } from './instructions.ts';

/** A file whose content must travel. */
export interface Wanted extends Output {
  entry: ListingEntry;
  /** Files that resemble each other have equal ones. */
  family: string;
  /** Places of old files that it may resemble; the first is the best. */
  relatives: number[];
}

/** The instructions as far as listings tell them, and the files whose content must be packed. */
export interface Comparison extends Omit<Instructions, 'base' | 'frames' | 'outputs'> {
  wanted: Wanted[];
}

/** Both listings root first, then in byte order. */
export function compareListings(
  from: readonly ListingEntry[],
  to: readonly ListingEntry[],
): Comparison {
  const old = new OldTree(from);
  const result: Comparison = { removed: old.placesWithout(to), folders: [], moved: [], wanted: [] };
  const relatives = new Relatives(from, result.removed);
  for (const entry of to) {
    const { path, type, mode, size, sha256 } = entry;
    const same = old.at(path);
    const before = same === undefined ? undefined : from[same];
    if (type === 'directory') {
      if (before?.type !== 'directory') result.folders.push(path);
      continue;
    }
    const place = before?.type === 'file' ? same : undefined;
    if (place !== undefined && before?.sha256 === sha256 && before.mode === mode) continue;
    const target: Target = place ?? path;
    const twin = old.withContent(entry, place);
    if (twin !== undefined) result.moved.push({ target, mode, from: twin });
    else {
      const alike = place === undefined ? relatives.of(path) : [place];
      const family = familyOf(path);
      result.wanted.push({ target, mode, size, sha256, entry, family, relatives: alike });
    }
  }
  return result;
}

class OldTree {
  readonly #listing: readonly ListingEntry[];
  readonly #places: ReadonlyMap<string, number>;
  readonly #contents = new Map<string, number>();

  constructor(listing: readonly ListingEntry[]) {
    this.#listing = listing;
    this.#places = new Map(listing.map(({ path }, place) => [path, place]));
    listing.forEach(({ type, sha256 }, place) => {
      if (type === 'file' && !this.#contents.has(sha256)) this.#contents.set(sha256, place);
    });
  }

  at(path: string): number | undefined {
    return this.#places.get(path);
  }

  /** Ascending: entries whose path has nothing, or something of another type, in `to`. */
  placesWithout(to: readonly ListingEntry[]): number[] {
    const types = new Map(to.map(({ path, type }) => [path, type]));
    return this.#listing.flatMap(({ path, type }, place) =>
      types.get(path) === type ? [] : place,
    );
  }

  /** An old file with the content of `entry`, best the one at `place`. */
  withContent({ size, sha256 }: ListingEntry, place: number | undefined): number | undefined {
    const found =
      place !== undefined && this.#listing[place]?.sha256 === sha256
        ? place
        : this.#contents.get(sha256);
    return found !== undefined && this.#listing[found]?.size === size ? found : undefined;
  }
}
