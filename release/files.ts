/** Reading files whole or from the front: digests, magic numbers, comparison. Changes nothing. */
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { FrameDigests, type FrameRange } from '@landfall/archive';
import { describeSystemError, messageOf } from '@landfall/errors';
import { ReleaseError } from './errors.ts';

/** Size in bytes and SHA-256 in hex, and those of its ranges where it has several. */
export async function sha256File(
  path: string,
): Promise<{ size: number; sha256: string; frames?: FrameRange[] }> {
  const hash = createHash('sha256');
  const digests = new FrameDigests();
  let size = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
    const bytes = chunk as Buffer;
    hash.update(bytes);
    digests.add(bytes, true);
    size += bytes.length;
  }
  const frames = digests.finish();
  const whole = { size, sha256: hash.digest('hex') };
  return frames === undefined ? whole : { ...whole, frames };
}

/** What a file is compressed with, by its first bytes (RFC 1952, RFC 8878). */
export function compressionOf(path: string): 'zstd' | 'gzip' | 'none' {
  const magic = readFront(path, 4).toString('hex');
  if (magic === '28b52ffd') return 'zstd';
  return magic.startsWith('1f8b') ? 'gzip' : 'none';
}

function readFront(path: string, length: number): Buffer {
  const fd = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(length);
    return buffer.subarray(0, readSync(fd, buffer, 0, length, 0));
  } finally {
    closeSync(fd);
  }
}

/** Whether `part` is shorter than `whole` and its beginning. */
export function isPrefix(part: string, whole: string): boolean {
  const size = statSync(part).size;
  return size < statSync(whole).size && firstDifference(part, whole) === size;
}

/** The first byte, counted from 0, in which two files differ; where one ends, when it begins the other. */
export function firstDifference(one: string, other: string): number | undefined {
  const a = openSync(one, 'r');
  const b = openSync(other, 'r');
  try {
    const [left, right] = [Buffer.alloc(1024 * 1024), Buffer.alloc(1024 * 1024)];
    for (let at = 0; ; at += left.length) {
      const [inA, inB] = [
        readSync(a, left, 0, left.length, at),
        readSync(b, right, 0, right.length, at),
      ];
      const both = Math.min(inA, inB);
      if (!left.subarray(0, both).equals(right.subarray(0, both))) {
        return at + left.subarray(0, both).findIndex((byte, index) => byte !== right[index]);
      }
      if (inA !== inB) return at + both;
      if (inA === 0) return undefined;
    }
  } finally {
    closeSync(a);
    closeSync(b);
  }
}

/**
 * A small file's bytes, or undefined when it is not there. Throws
 * `ReleaseError` DAMAGED for one that is larger than `maxBytes` or cannot be read.
 */
export function readSmallFile(path: string, maxBytes: number): Buffer | undefined {
  try {
    const { size } = statSync(path, { throwIfNoEntry: false }) ?? {};
    if (size === undefined) return undefined;
    if (size <= maxBytes) return readFileSync(path);
    throw new Error(`expected at most ${maxBytes} bytes, found ${size}`);
  } catch (error) {
    const system = describeSystemError(error);
    throw new ReleaseError(
      'DAMAGED',
      `cannot read '${path}': ${system?.what ?? messageOf(error)}`,
      {
        cause: error,
        ...(system === undefined ? {} : { hint: system.hint }),
      },
    );
  }
}
