/**
 * The mode gate. It reads a finished archive as bytes, with a reader that
 * shares nothing with the packer, and refuses everything outside
 * docs/formats.md. No option turns any of it off.
 */
import type { Packing, Unpack } from './decode.ts';
import { withInput } from './input.ts';
import { type ArchiveLimits, withDefaults } from './limits.ts';
import { modeString } from './modes.ts';
import { readTree } from './read-tree.ts';
import { type ListingEntry, type TreeInfo, treeInfo } from './tree.ts';

/** What a good archive holds. */
export interface GateReport {
  /** The root directory's mode as `ls` shows it; always `drwxr-xr-x`. */
  root: string;
  tree: TreeInfo;
  /** In the archive's order: the root, then byte order of paths. */
  listing: ListingEntry[];
  packing: Packing;
}

/**
 * Reads the archive at a path, or behind an open descriptor (by position from
 * offset 0; it stays open). `name` is what messages call it;
 * `unpack` unpacks it elsewhere. Throws
 * `ArchiveError` ARCHIVE_REFUSED listing several problems, the root's mode first.
 */
export async function gateArchive(
  source: string | number,
  options: {
    name?: string;
    limits?: Partial<ArchiveLimits>;
    signal?: AbortSignal;
    unpack?: Unpack | undefined;
  } = {},
): Promise<GateReport> {
  return withInput(source, options, async (input) => {
    const { listing, packing } = await readTree(input, {
      limits: withDefaults(options.limits),
      signal: options.signal,
      unpack: options.unpack,
    });
    const root = modeString('directory', listing[0]?.mode ?? 0);
    return { root, tree: treeInfo(listing), listing, packing };
  });
}
