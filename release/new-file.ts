/** Files that must not stand yet: created whole, synced, never over another. */
import { closeSync, fchmodSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeDirectoryDurably, syncDirectory } from '@landfall/durable';
import { describeSystemError, ExitCode, messageOf, systemCode } from '@landfall/errors';
import { ReleaseError } from './errors.ts';

/** Creates `path` with `mode` whatever the umask. Throws `ReleaseError` EXISTS when something stands there. */
export function writeNewFile(path: string, content: string, mode: number, hint: string): void {
  makeDirectoryDurably(dirname(path));
  let fd: number;
  try {
    fd = openSync(path, 'wx', mode);
  } catch (error) {
    if (systemCode(error) === 'EEXIST') throw exists(path, hint);
    const system = describeSystemError(error);
    throw new ReleaseError(
      'EXISTS',
      `cannot write '${path}': ${system?.what ?? messageOf(error)}`,
      {
        cause: error,
        exit: ExitCode.failed,
        ...(system === undefined ? {} : { hint: system.hint }),
      },
    );
  }
  try {
    fchmodSync(fd, mode);
    writeSync(fd, content);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  syncDirectory(dirname(path));
}

/** The refusal to overwrite. */
export function exists(path: string, hint: string): ReleaseError {
  return new ReleaseError('EXISTS', `'${path}' is there already, and is not overwritten`, { hint });
}
