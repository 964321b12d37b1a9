/**
 * Extraction of a component of kind `file`. The file is created new under the
 * given name, and checked against what was signed before its mode is set: until
 * then it is 0600. Nothing is synced; after an error or a crash the caller
 * removes it.
 */
import { createHash } from 'node:crypto';
import { closeSync, constants, fchmodSync, openSync, writeSync } from 'node:fs';
import type { Arrival } from './arrival.ts';
import { decode, detectPacking, type Unpack } from './decode.ts';
import { ArchiveError, refused, toArchiveError } from './errors.ts';
import { withInput } from './input.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { quotePath } from './names.ts';

/**
 * Unpacks the artifact at a path, or behind an open descriptor, to `outPath`,
 * which must not exist. Throws `ArchiveError` ARCHIVE_REFUSED when it is
 * damaged or larger than `contentSize`, ARCHIVE_DIGEST when its content is not
 * `contentSha256`.
 */
export async function extractFile(
  source: string | number,
  outPath: string,
  options: {
    mode: number;
    contentSha256: string;
    contentSize: number;
    name?: string;
    /** It is still coming in. */
    arrival?: Arrival | undefined;
    signal?: AbortSignal;
    unpack?: Unpack | undefined;
  },
): Promise<void> {
  const { mode, contentSha256, contentSize } = options;
  await withInput(source, options, async (input) => {
    const packing = await detectPacking(input);
    if (packing === 'none') {
      throw refused(input.subject, [{ path: undefined, what: 'is a tar, expected zstd or gzip' }]);
    }
    const bounds = { maxBytes: contentSize, maxRatio: DEFAULT_LIMITS.maxRatio };
    const hash = createHash('sha256');
    let size = 0;
    const fd = create(outPath);
    try {
      for await (const piece of decode(input, packing, bounds, options)) {
        hash.update(piece);
        size += piece.length;
        writeAll(fd, piece, outPath);
      }
      const found = hash.digest('hex');
      if (size !== contentSize || found !== contentSha256) {
        throw new ArchiveError(
          'ARCHIVE_DIGEST',
          `${input.subject} is not what was signed: expected ${contentSize} bytes, sha256 ${contentSha256.slice(0, 12)}, found ${size} bytes, sha256 ${found.slice(0, 12)}`,
          { hint: 'the artifact and the manifest belong to different builds; ask the maintainer' },
        );
      }
      fchmodSync(fd, mode);
    } finally {
      closeSync(fd);
    }
  });
}

function create(path: string): number {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  try {
    return openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  } catch (error) {
    throw toArchiveError(quotePath(path), error);
  }
}

function writeAll(fd: number, piece: Buffer, path: string): void {
  try {
    for (let at = 0; at < piece.length;) at += writeSync(fd, piece, at);
  } catch (error) {
    throw toArchiveError(quotePath(path), error);
  }
}
