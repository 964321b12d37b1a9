/** Reading files whole or from the front: digests, magic numbers, comparison. Changes nothing. */
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { describeSystemError, messageOf } from '@landfall/errors';
import { ReleaseError } from './errors.ts';

/** Size in bytes and SHA-256 in hex. */
export async function sha256File(path: string): Promise<{ size: number; sha256: string }> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
    const bytes = chunk as Buffer;
    hash.update(bytes);
    size += bytes.length;
  }
  return { size, sha256: hash.digest('hex') };
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
  const a = openSync(part, 'r');
  const b = openSync(whole, 'r');
  try {
    const [one, other] = [Buffer.alloc(1024 * 1024), Buffer.alloc(1024 * 1024)];
    for (let at = 0; ; at += one.length) {
      const found = readSync(a, one, 0, one.length, at);
      const expected = readSync(b, other, 0, other.length, at);
      if (found > expected || !one.subarray(0, found).equals(other.subarray(0, found)))
        return false;
      if (found < expected) return true;
      if (found === 0) return false;
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
