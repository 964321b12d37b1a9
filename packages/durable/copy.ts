/**
 * A copy of one file that is there whole or not at all. If the power goes
 * inside, what stood under the name before still does; a leftover
 * `.<name>.tmp-…` is removed by the next write of that name.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fsyncSync,
  openSync,
  readSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { DurableError, writeFailed } from './errors.ts';
import { removeTemporaries, syncDirectory, temporaryName, unlinkIfThere } from './files.ts';

const PIECE_BYTES = 1024 * 1024;

/**
 * Copies the content of the regular file `from` to `to`, in one rename, with
 * `mode` whatever the umask. Returns size and SHA-256 (in hex) of what was
 * copied. With `sha256`, other content is refused before anything stands under
 * the name. Throws `DurableError` WRITE_FAILED; what stood at `to` still does.
 */
export function copyFileDurably(
  from: string,
  to: string,
  options: { mode: number; sha256?: string },
): { size: number; sha256: string } {
  const temporary = temporaryName(to);
  try {
    removeTemporaries(to);
    const copied = copyInto(from, temporary, options.mode);
    if (options.sha256 !== undefined && copied.sha256 !== options.sha256) {
      throw new DurableError(
        'WRITE_FAILED',
        `'${from}' is not what '${to}' should be: expected sha256 ${options.sha256.slice(0, 12)}…, found ${copied.sha256.slice(0, 12)}…`,
      );
    }
    renameSync(temporary, to);
    syncDirectory(dirname(to));
    return copied;
  } catch (error) {
    unlinkIfThere(temporary);
    throw error instanceof DurableError ? error : writeFailed('copy to', to, error);
  }
}

function copyInto(from: string, to: string, mode: number): { size: number; sha256: string } {
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;
  const source = openSync(from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const target = openSync(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      const hash = createHash('sha256');
      const piece = Buffer.allocUnsafe(PIECE_BYTES);
      let size = 0;
      for (;;) {
        const count = readSync(source, piece, 0, PIECE_BYTES, null);
        if (count === 0) break;
        hash.update(piece.subarray(0, count));
        for (let at = 0; at < count;) at += writeSync(target, piece, at, count - at);
        size += count;
      }
      fchmodSync(target, mode);
      fsyncSync(target);
      return { size, sha256: hash.digest('hex') };
    } finally {
      closeSync(target);
    }
  } finally {
    closeSync(source);
  }
}
