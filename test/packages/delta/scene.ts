/** What the tests of deltas share: two trees on the disk, a delta between them, and deltas made by hand. */
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { digestTree, type ListingEntry, type TreeInfo } from '@landfall/archive';
import { applyDelta, type ApplyDeltaOptions, makeDelta, type Tree } from '@landfall/delta';
import { expect } from 'vitest';
import { headBytes, tailBytes } from '../../../packages/delta/container.ts';
import { encodeInstructions, type Instructions } from '../../../packages/delta/instructions.ts';
import { temporaryFolder } from '../../harness/temporary.ts';
import { type Files, folderOf } from '../archive/helpers.ts';

/** A tree on the disk, and what would be signed of it. */
export interface Signed {
  tree: Tree;
  info: TreeInfo;
}

export function signed(files: Files): Signed {
  const root = folderOf(files);
  const { listing, ...info } = digestTree(root);
  return { tree: { root, listing }, info };
}

/** The delta between two trees, as a file. */
export async function deltaOf(from: Signed, to: Signed): Promise<string> {
  const outPath = join(temporaryFolder(), 'ui.delta');
  const made = await makeDelta({ from: from.tree, to: to.tree, outPath });
  expect(made?.size).toBe(readFileSync(outPath).length);
  return outPath;
}

/** Applies the delta at `path` to `base`; the folder in which that ended, and the listing. */
export async function apply(
  path: string,
  base: Signed,
  to: Signed,
  options: Partial<ApplyDeltaOptions> = {},
): Promise<{ into: string; listing: ListingEntry[] }> {
  const into = join(temporaryFolder(), 'staging');
  mkdirSync(into);
  const fd = openSync(path, 'r');
  try {
    const listing = await applyDelta(fd, { base: base.tree, expect: to.info, into, ...options });
    return { into, listing };
  } finally {
    closeSync(fd);
  }
}

/** A delta with these instructions and frames; what is left out is nothing. */
export function handMade(
  instructions: Partial<Instructions> & { base: string },
  frames: readonly Buffer[] = [],
): string {
  const whole = { removed: [], folders: [], moved: [], outputs: [], frames: [], ...instructions };
  return fromBytes(encodeInstructions(whole), frames);
}

/** A delta with these bytes as its instructions. */
export function fromBytes(bytes: Buffer, frames: readonly Buffer[] = []): string {
  const path = join(temporaryFolder(), 'hostile.delta');
  const packed = zstdCompressSync(bytes);
  const tail = tailBytes(packed.length, bytes.length);
  writeFileSync(path, Buffer.concat([headBytes(), ...frames, packed, tail]));
  return path;
}
