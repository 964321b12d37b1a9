/** Caps of format 1, held by the maker and checked by the applier before it allocates anything. */
import { DEFAULT_LIMITS } from '@landfall/archive';

/** Entries of the old tree that go; and folders and files that the instructions give the new one. A tree has no more. */
export const MAX_ENTRIES = DEFAULT_LIMITS.maxEntries;
/** Bytes that one frame unpacks to. Longer files go on in the next frame. */
export const MAX_FRAME_BYTES = 32 * 1024 * 1024;
/** Bytes of old files that one frame refers to. */
export const MAX_DICTIONARY_BYTES = 64 * 1024 * 1024;
/** Frames of one delta. */
export const MAX_FRAMES = 8192;
/** Old files, or parts of them, that one frame refers to. */
export const MAX_RANGES = 8192;
/** The same of all frames. Where every file of the largest tree changed, it is one for each. */
export const MAX_ALL_RANGES = 256 * 1024;
/** Bytes of old files read for all frames, per byte of the old tree. */
export const MAX_REREADS = 16;
/** Bytes of the instructions, packed and unpacked: 120,000 entries with long paths. */
export const MAX_INSTRUCTION_BYTES = 32 * 1024 * 1024;
/** Wide enough for a frame and what it refers to: both together are below 2^27. */
export const WINDOW_LOG = 27;

/** Bytes of a frame whose content is `content`: blocks stored as they are, and some to spare. */
export function frameBound(content: number): number {
  return 1024 + content + Math.ceil(content / 1024) * 3;
}
