/**
 * Secret keys on disk. The file's mode is checked on the open descriptor that
 * is then read, so nobody can swap the file in between. Nothing is written.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { describeSystemError, messageOf } from '@landfall/errors';
import { MinisignError } from './errors.ts';
import type { SecretKey } from './secret-key.ts';
import {
  MAX_SECRET_KEY_FILE_BYTES,
  parseSecretKey,
  type PasswordProvider,
} from './secret-key-format.ts';

/** A comment line, and how the next one begins: `Ed`, `Sc` or zeros, `B2`. Nothing of it is secret. */
const SECRET_KEY_HEAD = /^untrusted comment:[^\n]*\n(?:RWRTY0Iy|RWQAAEIy)$/;
/** `untrusted comment:`, a line end, and 158 bytes in base64. */
const MIN_SECRET_KEY_FILE_BYTES = 18 + 1 + 212;

/**
 * Reads a secret key's file. Throws `MinisignError`: KEY_UNREADABLE,
 * KEY_PERMISSIONS when others than the owner may read or write it, and what
 * `parseSecretKey` throws.
 */
export async function readSecretKeyFile(
  path: string,
  password: PasswordProvider,
): Promise<SecretKey> {
  const bytes = readPrivateFile(path);
  try {
    return await parseSecretKey(bytes, password, `secret key '${path}'`);
  } finally {
    bytes.fill(0);
  }
}

/**
 * Whether the file at `path`, of `size` bytes, is a secret key or a copy of one, under
 * whatever name and mode. The secret is not decoded. A file that cannot be read is none.
 */
export function isSecretKeyFile(path: string, size: number): boolean {
  if (size < MIN_SECRET_KEY_FILE_BYTES || size > MAX_SECRET_KEY_FILE_BYTES) return false;
  const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
  const bytes = Buffer.alloc(size);
  let fd: number | undefined;
  try {
    fd = openSync(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
    readSync(fd, bytes, 0, size, 0);
    const headEnd = bytes.indexOf(0x0a) + 1 + 'RWRTY0Iy'.length;
    return SECRET_KEY_HEAD.test(bytes.toString('latin1', 0, headEnd));
  } catch {
    return false;
  } finally {
    bytes.fill(0);
    if (fd !== undefined) closeSync(fd);
  }
}

function readPrivateFile(path: string): Uint8Array {
  let fd: number | undefined;
  try {
    // O_NONBLOCK: a fifo by that name must not hang us.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    checkPrivate(fd, path);
    const buffer = Buffer.alloc(MAX_SECRET_KEY_FILE_BYTES + 1);
    let length = 0;
    for (let read = -1; read !== 0; length += read) {
      read = readSync(fd, buffer, length, buffer.length - length, length);
    }
    return buffer.subarray(0, length);
  } catch (error) {
    if (error instanceof MinisignError) throw error;
    const system = describeSystemError(error);
    throw new MinisignError(
      'KEY_UNREADABLE',
      `secret key '${path}': cannot read it: ${system?.what ?? messageOf(error)}`,
      { cause: error, hint: system?.hint ?? 'check the path in the configuration' },
    );
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function checkPrivate(fd: number, path: string): void {
  const stat = fstatSync(fd);
  if (!stat.isFile()) {
    throw new MinisignError(
      'KEY_UNREADABLE',
      `secret key '${path}': expected a file, found something else`,
      {
        hint: 'check the path in the configuration',
      },
    );
  }
  const mode = stat.mode & 0o777;
  if ((mode & 0o077) === 0) return;
  throw new MinisignError(
    'KEY_PERMISSIONS',
    `secret key '${path}': expected mode 0600, found 0${mode.toString(8)}: others than its owner can use it`,
    { hint: `chmod 600 '${path}', and think about whether someone has read it already` },
  );
}
