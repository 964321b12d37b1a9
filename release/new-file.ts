/** Files that must not stand yet: created whole, never over another. */
import { dirname } from 'node:path';
import { createFileDurably, makeDirectoryDurably } from '@landfall/durable';
import { ReleaseError } from './errors.ts';

/**
 * Creates `path` with `mode` whatever the umask; after a crash it is there whole or not at all.
 * Throws `ReleaseError` EXISTS when something stands there, `DurableError` WRITE_FAILED.
 */
export function writeNewFile(path: string, content: string, mode: number, hint: string): void {
  makeDirectoryDurably(dirname(path));
  if (!createFileDurably(path, content, mode)) throw exists(path, hint);
}

/** The refusal to overwrite. */
export function exists(path: string, hint: string): ReleaseError {
  return new ReleaseError('EXISTS', `'${path}' is there already, and is not overwritten`, { hint });
}
