/** The seek table at the end of a zstd file (zstd's contrib/seekable_format), checked against the walk. */
import { damaged } from './errors.ts';
import type { ArchiveInput } from './input.ts';

const SEEK_TABLE_MAGIC = 0x184d2a5e;
const SEEK_FOOTER_MAGIC = 0x8f92eab1;

/** One frame that was walked, in bytes. */
export interface FrameSizes {
  compressed: number;
  content: number;
}

/**
 * The seek table must be the last thing in the file and tell exactly the
 * frames that were walked: a table that lies would send another reader elsewhere.
 */
export function readSeekTable(input: ArchiveInput, frames: readonly FrameSizes[]): void {
  const wrong = (what: string): Error => damaged(input.subject, `has a seek table that ${what}`);
  const head = input.need(8);
  const size = head.readUInt32LE(4);
  if (head.readUInt32LE(0) !== SEEK_TABLE_MAGIC) {
    throw damaged(input.subject, 'has a skippable frame that is not a seek table');
  }
  if (input.left !== 8 + size || size < 9) throw wrong('does not end where the file ends');
  input.skip(8);
  const width = (size - 9) / frames.length;
  if (width !== 8 && width !== 12) throw wrong('tells other frames than there are');
  for (const frame of frames) {
    const entry = input.need(width);
    if (entry.readUInt32LE(0) !== frame.compressed || entry.readUInt32LE(4) !== frame.content) {
      throw wrong('tells other frames than there are');
    }
    input.skip(width);
  }
  const footer = input.need(9);
  const descriptor = width === 12 ? 0x80 : 0;
  if (
    footer.readUInt32LE(0) !== frames.length ||
    footer.readUInt8(4) !== descriptor ||
    footer.readUInt32LE(5) !== SEEK_FOOTER_MAGIC
  ) {
    throw wrong('has a damaged footer');
  }
  input.skip(9);
}
