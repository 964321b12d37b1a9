/**
 * A delta file, format 1:
 *
 *     0x93 'LFDELTA'                8 bytes
 *     format                        4 bytes, little-endian: 1
 *     frames                        zstd frames, one behind the other
 *     instructions                  one zstd frame
 *     size of that frame            4 bytes
 *     size of the instructions      4 bytes
 *
 * The sizes of the frames are in the instructions and must add up to the file.
 */
import { fstatSync } from 'node:fs';
import { inflateHere, type Inflate } from './codec.ts';
import { refused, toDeltaError } from './errors.ts';
import { fill } from './files.ts';
import { decodeInstructions, type Instructions } from './instructions.ts';
import { frameBound, MAX_INSTRUCTION_BYTES } from './limits.ts';

/** The first 8 bytes of every delta file. */
export const MAGIC = Buffer.from('\u0093LFDELTA', 'latin1');
/** The one format that is written and read here. */
export const FORMAT = 1;
/** Magic and format; the first frame begins behind them. */
export const HEAD_BYTES = MAGIC.length + 4;
const TAIL_BYTES = 8;

/** What stands before the frames. */
export function headBytes(): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  MAGIC.copy(head);
  head.writeUInt32LE(FORMAT, MAGIC.length);
  return head;
}

/** What stands behind the instructions; both sizes in bytes. */
export function tailBytes(packed: number, unpacked: number): Buffer {
  const tail = Buffer.alloc(TAIL_BYTES);
  tail.writeUInt32LE(packed, 0);
  tail.writeUInt32LE(unpacked, 4);
  return tail;
}

/** The instructions of the delta behind `fd`. Throws `DeltaError` DELTA_REFUSED, DELTA_IO. */
export async function readInstructions(
  fd: number,
  inflate: Inflate = inflateHere,
): Promise<Instructions> {
  const size = sizeOf(fd);
  if (size < HEAD_BYTES + TAIL_BYTES) throw refused('ends early');
  const head = readAt(fd, 0, HEAD_BYTES);
  if (!head.subarray(0, MAGIC.length).equals(MAGIC)) throw refused('is not a delta');
  const format = head.readUInt32LE(MAGIC.length);
  if (format !== FORMAT) throw refused(`is of format ${format}, expected ${FORMAT}`);
  const tail = readAt(fd, size - TAIL_BYTES, TAIL_BYTES);
  const packed = tail.readUInt32LE(0);
  const unpacked = tail.readUInt32LE(4);
  if (unpacked > MAX_INSTRUCTION_BYTES || packed > frameBound(unpacked)) {
    throw refused(`has instructions of more than ${MAX_INSTRUCTION_BYTES} bytes`);
  }
  const start = size - TAIL_BYTES - packed;
  if (start < HEAD_BYTES) throw refused('ends early');
  const frame = readAt(fd, start, packed);
  const bytes = await inflate(frame, { content: unpacked, dictionary: undefined });
  const instructions = decodeInstructions(bytes);
  const frames = instructions.frames.reduce((sum, each) => sum + each.packed, 0);
  if (HEAD_BYTES + frames !== start) throw refused('has frames that do not add up to its size');
  return instructions;
}

function sizeOf(fd: number): number {
  try {
    return fstatSync(fd).size;
  } catch (error) {
    throw toDeltaError('the delta', error);
  }
}

/** `length` bytes at `offset`. Throws `DeltaError`. */
export function readAt(fd: number, offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length);
  try {
    if (!fill(fd, bytes, offset)) throw refused('became shorter while it was read');
  } catch (error) {
    throw toDeltaError('the delta', error);
  }
  return bytes;
}
