/**
 * Small files of a mirror's folder, which may be anybody's stick: nothing but a
 * regular file is read, nothing is waited for (a fifo would hang us), and no more
 * than was asked for. What was looked at and what is read is one descriptor.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { systemCode } from '@landfall/errors';

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

const NOTHING = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO', 'ENAMETOOLONG']);

/**
 * Whether an error stands for nothing that could be read: no such file, a link that is not followed,
 * links in a circle, a socket, a name too long.
 */
export function isNothing(error: unknown): boolean {
  return NOTHING.has(systemCode(error) ?? '');
}

/**
 * The bytes at `path`; undefined for what is not there, is no regular file or is larger
 * than `maxBytes`. A link is what it leads to only with `follow`.
 */
export function readRegular(
  path: string,
  maxBytes: number,
  { follow }: { follow: boolean },
): Buffer | undefined {
  let fd: number;
  try {
    fd = openSync(path, O_RDONLY | O_NONBLOCK | (follow ? 0 : O_NOFOLLOW));
  } catch (error) {
    if (isNothing(error)) return undefined;
    throw error;
  }
  try {
    const info = fstatSync(fd);
    if (!info.isFile() || info.size > maxBytes) return undefined;
    const bytes = Buffer.alloc(info.size);
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read) {
      read = readSync(fd, bytes, length, bytes.length - length, length);
    }
    return bytes.subarray(0, length);
  } finally {
    closeSync(fd);
  }
}
