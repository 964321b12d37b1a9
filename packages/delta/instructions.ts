/**
 * What a delta says before its frames: how the new listing comes from the old
 * one, and from which parts of old files each frame is unpacked.
 *
 * Old entries are named by their place in the old listing (root first, then
 * byte order), so a delta can only ever speak of files that were there. The
 * frames' contents, one behind the other, are the contents of `outputs`, one
 * behind the other: a frame may hold many files, a file may go over many frames.
 */
import { ByteReader, ByteWriter, SHA256_BYTES } from './bytes.ts';
import {
  frameBound,
  MAX_ALL_RANGES,
  MAX_DICTIONARY_BYTES,
  MAX_ENTRIES,
  MAX_FRAME_BYTES,
  MAX_FRAMES,
  MAX_RANGES,
} from './limits.ts';

/** A path of the new tree: the place of the old entry that has it, or the path itself when none has. */
export type Target = number | string;

/** A file with the content of the old file at `from`, under another path or with another mode. */
export interface Moved {
  target: Target;
  mode: number;
  from: number;
}

/** A file whose content is in the frames. */
export interface Output {
  target: Target;
  mode: number;
  /** Bytes. */
  size: number;
  /** In hex. */
  sha256: string;
}

/** A part of an old file, in bytes. */
export interface Range {
  /** Place of the file in the old listing. */
  file: number;
  offset: number;
  length: number;
}

/** One zstd frame of the delta; they stand there in the order of the list. */
export interface Frame {
  /** Bytes in the delta. */
  packed: number;
  /** Bytes that it unpacks to. */
  content: number;
  /** What it refers to, one behind the other: its zstd dictionary. */
  ranges: Range[];
}

/** All that a delta says. Places are those of the old listing, from 0. */
export interface Instructions {
  /** Digest of the old tree, or SHA-256 of the old file, in hex. */
  base: string;
  /** Places of old entries that go, ascending. */
  removed: number[];
  /** Paths of new folders. */
  folders: string[];
  moved: Moved[];
  outputs: Output[];
  frames: Frame[];
}

/** Bytes of one path; the archive's rules allow no more. */
const MAX_PATH_BYTES = 1024;
const MAX_NUMBER = Number.MAX_SAFE_INTEGER;
const EXECUTABLE = 0o755;
const PLAIN = 0o644;

/** The bytes that `decodeInstructions` reads, not compressed yet. `removed` must ascend. */
export function encodeInstructions(instructions: Instructions): Buffer {
  const { base, removed, folders, moved, outputs, frames } = instructions;
  const writer = new ByteWriter();
  writer.digest(base);
  writer.number(removed.length);
  removed.forEach((place, index) => writer.number(place - (removed[index - 1] ?? -1) - 1));
  writer.number(folders.length);
  for (const path of folders) writer.text(path);
  writer.number(moved.length);
  for (const { target, mode, from } of moved) {
    writeTarget(writer, target, mode);
    writer.number(from);
  }
  writer.number(outputs.length);
  for (const { target, mode, size } of outputs) {
    writeTarget(writer, target, mode);
    writer.number(size);
  }
  writer.number(frames.length);
  for (const frame of frames) writeFrame(writer, frame);
  // Together at the end: they do not compress, and what stands before them does.
  for (const { sha256 } of outputs) writer.digest(sha256);
  return writer.toBuffer();
}

function writeTarget(writer: ByteWriter, target: Target, mode: number): void {
  const executable = mode === EXECUTABLE ? 1 : 0;
  writer.number(typeof target === 'number' ? (target + 1) * 2 + executable : executable);
  if (typeof target === 'string') writer.text(target);
}

function writeFrame(writer: ByteWriter, { packed, content, ranges }: Frame): void {
  writer.number(packed);
  writer.number(content);
  writer.number(ranges.length);
  for (const { file, offset, length } of ranges) {
    writer.number(file);
    writer.number(offset);
    writer.number(length);
  }
}

/** How many items there may still be in lists that share it. */
interface Room {
  left: number;
}

/** Throws `DeltaError` DELTA_REFUSED. Places and sizes are not compared with anything here but their caps. */
export function decodeInstructions(bytes: Buffer): Instructions {
  const reader = new ByteReader(bytes);
  const base = reader.digest();
  let last = -1;
  const removed = readList(reader, 'entries that go', 1, { left: MAX_ENTRIES }, () => {
    last += 1 + reader.number('a place', MAX_NUMBER / 4);
    return last;
  });
  const entries = { left: MAX_ENTRIES };
  const folders = readList(reader, 'folders', 2, entries, () =>
    reader.text('a path', MAX_PATH_BYTES),
  );
  const moved = readList(reader, 'files', 2, entries, () => ({
    ...readTarget(reader),
    from: reader.number('a place', MAX_NUMBER),
  }));
  const sized = readList(reader, 'files', 2 + SHA256_BYTES, entries, () => ({
    ...readTarget(reader),
    size: reader.number('a size', MAX_NUMBER),
  }));
  const parts = { left: MAX_ALL_RANGES };
  const frames = readList(reader, 'frames', 3, { left: MAX_FRAMES }, () =>
    readFrame(reader, parts),
  );
  const outputs = sized.map((each) => ({ ...each, sha256: reader.digest() }));
  reader.end();
  return { base, removed, folders, moved, outputs, frames };
}

/** A list of `what`, each in at least `least` bytes. Nothing is made of one for which there is no room. */
function readList<T>(
  reader: ByteReader,
  what: string,
  least: number,
  room: Room,
  read: () => T,
): T[] {
  const length = reader.count(what, least, room.left);
  room.left -= length;
  return Array.from({ length }, read);
}

function readTarget(reader: ByteReader): { target: Target; mode: number } {
  const value = reader.number('a place', MAX_NUMBER);
  const mode = value % 2 === 1 ? EXECUTABLE : PLAIN;
  if (value < 2) return { target: reader.text('a path', MAX_PATH_BYTES), mode };
  return { target: Math.floor(value / 2) - 1, mode };
}

function readFrame(reader: ByteReader, all: Room): Frame {
  const packed = reader.number('a frame of a size', frameBound(MAX_FRAME_BYTES));
  const content = reader.number('a frame with content', MAX_FRAME_BYTES);
  const room = { left: Math.min(MAX_RANGES, all.left) };
  const ranges = readList(reader, 'parts', 3, room, () => ({
    file: reader.number('a place', MAX_NUMBER),
    offset: reader.number('an offset', MAX_NUMBER),
    length: reader.number('a part of a length', MAX_DICTIONARY_BYTES),
  }));
  all.left -= ranges.length;
  return { packed, content, ranges };
}
