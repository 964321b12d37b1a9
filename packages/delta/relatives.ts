/**
 * Which old files a file under a new path may resemble, told by names alone:
 * build tools put a digest of the content into the name (`app-3f2a91c0.js`),
 * packages put a version into it, and folders are renamed.
 */
import type { ListingEntry } from '@landfall/archive';

/** What a build tool puts before the last endings: eight or more letters and digits after a mark. */
const DIGEST = /[-._~][0-9A-Za-z_-]{8,}(?=(?:\.[0-9A-Za-z]{1,8}){1,2}$)/;
const NUMBERS = /\d+/g;
/** Old files looked at for one new one. */
const MOST = 512;

/** The path without what changes when its content does. */
export function familyOf(path: string): string {
  const slash = path.lastIndexOf('/') + 1;
  return path.slice(0, slash) + nameFamily(path.slice(slash));
}

function nameFamily(name: string): string {
  return name.replace(DIGEST, '~').replaceAll(NUMBERS, '#');
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The files of an old listing by name: those that go are asked first. */
export class Relatives {
  /** Of files that go: they have most likely become others. */
  readonly #families = new Map<string, number[]>();
  readonly #goneNames = new Map<string, number[]>();
  readonly #names = new Map<string, number[]>();

  /** `removed`: places in `listing`. */
  constructor(listing: readonly ListingEntry[], removed: readonly number[]) {
    for (const place of removed) {
      const entry = listing[place];
      if (entry?.type !== 'file') continue;
      put(this.#families, familyOf(entry.path), place);
      put(this.#goneNames, nameFamily(nameOf(entry.path)), place);
    }
    listing.forEach(({ path, type }, place) => {
      if (type === 'file') put(this.#names, nameOf(path), place);
    });
  }

  /** Places of old files that resemble `path` in name; none when nothing does. */
  of(path: string): number[] {
    const found =
      this.#families.get(familyOf(path)) ??
      this.#goneNames.get(nameFamily(nameOf(path))) ??
      this.#names.get(nameOf(path)) ??
      [];
    return found.slice(0, MOST);
  }
}

function put(map: Map<string, number[]>, key: string, place: number): void {
  const places = map.get(key);
  if (places === undefined) map.set(key, [place]);
  else places.push(place);
}
