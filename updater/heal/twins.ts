/**
 * Releases that share a file share what is done to it where it lies. What runs
 * got a new file under its own name; the others still lead to the damaged one,
 * and a rollback would go to it: they get their own copy of the new file.
 *
 * Each name changes in one rename. A crash leaves some names on the damaged
 * file: going back to such a release finds that it is not whole.
 */
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { crashPoint } from '@landfall/cli';
import { copyFileDurably } from '@landfall/durable';
import { messageOf } from '@landfall/errors';
import type { Host } from '../host.ts';
import type { Expected } from './findings.ts';

/** Path of a file to repair → the other names, absolute, that lead to the same file now. */
export type TwinNames = ReadonlyMap<string, readonly string[]>;

/** Looks for twins of `wanted` below `directory` among the paths that `placesOf` tells. Changes nothing. */
export function findTwins(
  directory: string,
  wanted: readonly Expected[],
  placesOf: (expected: Expected) => readonly string[],
): TwinNames {
  return new Map(
    wanted.map((expected) => {
      const own = join(directory, expected.path);
      const places = placesOf(expected).filter((place) => place !== own && isSame(own, place));
      return [expected.path, places];
    }),
  );
}

function isSame(a: string, b: string): boolean {
  try {
    const [one, other] = [lstatSync(a), lstatSync(b)];
    return one.isFile() && one.nlink > 1 && one.dev === other.dev && one.ino === other.ino;
  } catch {
    return false; // One of them is not there, or is behind what is no folder.
  }
}

/** Gives the twins of what was repaired its content. What fails is only noted: what runs is whole. */
export function restoreTwins(
  host: Host,
  directory: string,
  repaired: readonly Expected[],
  twins: TwinNames,
): void {
  for (const { path, mode, sha256 } of repaired) {
    for (const place of twins.get(path) ?? []) {
      try {
        copyFileDurably(join(directory, path), place, { mode, sha256 });
        crashPoint('heal-twin-restored');
        host.note(`restored '${place}' as well, which was the same file`);
      } catch (error) {
        host.note(`'${place}' was the same file and is not restored: ${messageOf(error)}`);
      }
    }
  }
}
