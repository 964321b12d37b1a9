/** Caps on what an archive may hold. They stop a hostile archive, not a large release. */

/** What is beyond any of them is refused with ARCHIVE_REFUSED. */
export interface ArchiveLimits {
  /** Entries, the root included. */
  maxEntries: number;
  /** Bytes of one path as UTF-8. */
  maxPathBytes: number;
  /** Names in one path. */
  maxDepth: number;
  /** Bytes of one file. */
  maxFileBytes: number;
  /** Bytes of all files. */
  maxTotalBytes: number;
  /** Bytes that come out per byte that goes in, beyond the first `RATIO_FREE_BYTES`. */
  maxRatio: number;
}

/** Those of docs/formats.md. Packing keeps to the caps on entries and bytes, too. */
export const DEFAULT_LIMITS: Readonly<ArchiveLimits> = {
  maxEntries: 120_000,
  maxPathBytes: 1024,
  maxDepth: 64,
  maxFileBytes: 8 * 1024 ** 3,
  maxTotalBytes: 16 * 1024 ** 3,
  maxRatio: 250,
};

/** Small archives of repetitive files may exceed `maxRatio`; what they unpack to is harmless. */
export const RATIO_FREE_BYTES = 64 * 1024 * 1024;

/** Bytes of all paths together; what a reader has to remember. */
export const MAX_ALL_PATH_BYTES = 16 * 1024 * 1024;

/** Bytes of tar that one frame of ours holds at most. */
export const FRAME_BYTES = 8 * 1024 * 1024;
/** The same at the strong levels of zstd. A frame that tells more is not unpacked whole. */
export const STRONG_FRAME_BYTES = 24 * 1024 * 1024;

/** All limits: the default of each that is left out. */
export function withDefaults(limits: Partial<ArchiveLimits> | undefined): ArchiveLimits {
  return { ...DEFAULT_LIMITS, ...limits };
}
