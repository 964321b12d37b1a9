/** What an earlier run, cut off, had fetched already. */
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { systemCode } from '@landfall/errors';
import type { ReleaseFile } from '@landfall/manifest';

const CHUNK_BYTES = 1024 * 1024;

/** The file at `path`, open for reading, if it has the artifact's bytes. The caller closes it. */
export function openHeld(path: string, { size, sha256 }: ReleaseFile): number | undefined {
  const fd = openIfThere(path);
  if (fd === undefined) return undefined;
  const info = fstatSync(fd);
  if (info.isFile() && info.size === size && digestOf(fd) === sha256) return fd;
  closeSync(fd);
  return undefined;
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function digestOf(fd: number): string {
  const hash = createHash('sha256');
  const chunk = Buffer.alloc(CHUNK_BYTES);
  for (let at = 0; ;) {
    const count = readSync(fd, chunk, 0, chunk.length, at);
    if (count === 0) return hash.digest('hex');
    hash.update(chunk.subarray(0, count));
    at += count;
  }
}
