/**
 * The places where programs look for what we now keep under `current`: each
 * becomes a link, in one step, and back. What stood there gets the name
 * `<place>.before-landfall` in the same step, and is never written to.
 */
import { linkSync, lstatSync, rmSync, symlinkSync, unlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { crashPoint } from '@landfall/cli';
import {
  removeDurably,
  renameDurably,
  replaceSymlinkDurably,
  syncDirectory,
} from '@landfall/durable';
import { UpdaterError } from '../errors.ts';
import type { Paths } from '../paths.ts';
import { exchange } from './exchange.ts';

/** A path that becomes a link to `current/<component>`. `source` and `kept` are absolute. */
export interface Place {
  component: string;
  /** What programs look for. */
  source: string;
  /** What stood there before. */
  kept: string;
}

/** The place at `source`; what stands there will be kept beside it. The disk is not asked. */
export function placeOf(component: string, source: string): Place {
  return { component, source, kept: `${source}.before-landfall` };
}

/** Puts a link to `current` in place. Finds it done when it is. Throws `UpdaterError` ADOPTION. */
export async function putLink(paths: Paths, place: Place): Promise<void> {
  const { component, source, kept } = place;
  if (isLink(source)) return;
  const target = relative(dirname(source), join(paths.current, component));
  if (lstatSync(source).isFile()) {
    if (!isSameFile(source, kept)) {
      refuseKept(kept);
      rmSync(kept, { force: true });
      linkSync(source, kept);
    }
    syncDirectory(dirname(source));
    replaceSymlinkDurably(source, target);
  } else {
    refuseKept(kept);
    if (isLink(kept)) unlinkSync(kept);
    symlinkSync(target, kept);
    crashPoint('adopt-linked');
    await exchange(source, kept);
  }
  crashPoint('adopt-exchanged');
}

/** Puts back what stood there. Finds it done when it is. Throws `UpdaterError` ADOPTION. */
export async function putBack({ source, kept }: Place): Promise<void> {
  if (isLink(source)) {
    const stat = lstatSync(kept, { throwIfNoEntry: false });
    if (stat === undefined) {
      throw new UpdaterError('ADOPTION', `'${kept}' is not there any more: nothing to go back to`, {
        hint: "what runs stays; 'updater rollback' goes to another release",
      });
    }
    if (stat.isDirectory()) await exchange(source, kept);
    else renameDurably(kept, source);
    crashPoint('adopt-exchanged-back');
  }
  // After an exchange, the link has the other name.
  if (isLink(kept)) removeDurably(kept);
}

function refuseKept(kept: string): void {
  const stat = lstatSync(kept, { throwIfNoEntry: false });
  if (stat === undefined || stat.isSymbolicLink()) return;
  throw new UpdaterError('ADOPTION', `'${kept}' is in the way`, {
    hint: 'it may be of an earlier adoption: move it away',
  });
}

/** Whether both are names of one file: an earlier process got that far. */
function isSameFile(a: string, b: string): boolean {
  const [one, other] = [a, b].map((path) => lstatSync(path, { throwIfNoEntry: false }));
  return one !== undefined && one.ino === other?.ino && one.dev === other.dev;
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}
