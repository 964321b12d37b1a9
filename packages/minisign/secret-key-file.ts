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
