/**
 * A component as one archive: deterministic pack, the mode gate with a reader
 * of its own, strict extraction, and the tree digest that is signed.
 *
 * Packing side (`planTree`, `packTree`, `packFile`) and reading side
 * (`gateArchive`, `extractTree`, `extractFile`, `digestTree`) share the rules of
 * what may travel and no code that reads or writes a format.
 */
export type { Arrival } from './arrival.ts';
export { ArchiveError, type Problem } from './errors.ts';
export { checkListing } from './check-listing.ts';
export { ContentHash } from './content-hash.ts';
export { type Unpack, unpackArchive } from './decode.ts';
export { digestTree } from './digest-tree.ts';
export type { PlanEntry, TreePlan } from './draft.ts';
export { extractFile } from './extract-file.ts';
export { extractTree } from './extract.ts';
export { FrameDigests, type FrameRange } from './frame-digests.ts';
export type { Compression } from './frame-format.ts';
export { gateArchive, type GateReport } from './gate.ts';
export { type ArchiveLimits, DEFAULT_LIMITS } from './limits.ts';
export { describeMode, modeString } from './modes.ts';
export { packFile, packTree, type PackOptions } from './pack.ts';
export { planTree, type Refuse, type TreePart } from './plan.ts';
export { Sharer } from './sharer.ts';
export { StagingFolder } from './staging-folder.ts';
export { startThread } from './thread.ts';
export { compareEntries, type ListingEntry, sameTree, type TreeInfo, treeInfo } from './tree.ts';
export type { Reuse } from './twins.ts';
