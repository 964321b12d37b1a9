/**
 * Files that say what root runs and whom it believes. Nobody but root and the
 * user that this runs as may be able to change them.
 */
import type { Stats } from 'node:fs';
import { UpdaterError } from './errors.ts';

/**
 * Looks at what an open file told of itself. `what` is what messages call `file`, `why` says why it
 * matters. Throws `UpdaterError` CONFIG for one that others own or can write.
 */
export function requireOwn(
  { mode, uid }: Pick<Stats, 'mode' | 'uid'>,
  { file, what, why }: { file: string; what: string; why: string },
): void {
  const own = process.getuid?.() ?? 0;
  const look = 'after a look at what is in it';
  if (uid !== own && uid !== 0) {
    throw new UpdaterError(
      'CONFIG',
      `${what} '${file}' belongs to user ${uid}, expected ${own === 0 ? '0' : `${own} or 0`}`,
      { hint: `${why}: chown ${own} ${file}, ${look}` },
    );
  }
  if ((mode & 0o022) === 0) return;
  throw new UpdaterError('CONFIG', `${what} '${file}' can be written by others`, {
    hint: `${why}: chmod go-w ${file}, ${look}`,
  });
}
