/** Whether a mirror serves an artifact whole and right, seen as a stranger sees it: by reading all of it. */
import type { ReleaseFile } from '@landfall/manifest';
import { writeAllSync } from './download/disk.ts';
import { MirrorError } from './errors.ts';
import type { Mirror, ReadOptions } from './mirror.ts';
import { requireOneMeaning, SignedBytes } from './signed-bytes.ts';

/** Slower than this many bytes a second over a minute, a mirror is given up. */
const MIN_RATE = 1024;
const RATE_WINDOW_MS = 60_000;
const GRACE_MS = 60_000;

/** What stands there under the artifact's name. `found` tells people how it differs. */
export type ArtifactState =
  | { state: 'right' }
  | { state: 'missing' }
  | { state: 'wrong'; found: string };

/** With `copyTo`, what was read need not be read again to be gated; it may be wrong. */
export interface CheckOptions {
  /** An open, empty file that gets what is read. */
  copyTo?: number | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Reads the artifact and hashes it. Wrong bytes, a page of HTML and an endless
 * body are states; a mirror that cannot be asked is a `MirrorError`, and bytes that
 * the manifest calls right and wrong a `ManifestError` MANIFEST_CONTRADICTION.
 */
export async function checkArtifact(
  mirror: Mirror,
  version: string,
  artifact: ReleaseFile,
  { copyTo, signal }: CheckOptions = {},
): Promise<ArtifactState> {
  const limits: ReadOptions = {
    maxBytes: artifact.size,
    deadlineMs: GRACE_MS + (artifact.size / MIN_RATE) * 1000,
    minRate: MIN_RATE,
    rateWindowMs: RATE_WINDOW_MS,
    ...(signal === undefined ? {} : { signal }),
  };
  try {
    return await readState(mirror, version, artifact, limits, copyTo);
  } catch (error) {
    if (error instanceof MirrorError && error.code === 'TOO_LARGE') {
      return { state: 'wrong', found: `more than ${artifact.size} bytes` };
    }
    if (error instanceof MirrorError && error.code === 'BAD_ANSWER' && error.status === undefined) {
      return { state: 'wrong', found: 'something else than the file' };
    }
    throw error;
  }
}

async function readState(
  mirror: Mirror,
  version: string,
  artifact: ReleaseFile,
  limits: ReadOptions,
  copyTo: number | undefined,
): Promise<ArtifactState> {
  const { file, size, sha256 } = artifact;
  const stream = await mirror.openArtifact(version, file, limits);
  if (stream === undefined) return { state: 'missing' };
  if (stream.size !== undefined && stream.size !== size) {
    await stream.body.return?.();
    return { state: 'wrong', found: `${stream.size} bytes in place of ${size}` };
  }
  const bytes = new SignedBytes(artifact);
  let total = 0;
  for await (const chunk of stream.body) {
    bytes.update(chunk);
    if (copyTo !== undefined) writeAllSync(copyTo, chunk, total);
    total += chunk.length;
  }
  const found = bytes.finish();
  if (requireOneMeaning(found, artifact)) return { state: 'right' };
  if (found.size !== size) {
    return { state: 'wrong', found: `${found.size} bytes in place of ${size}` };
  }
  return {
    state: 'wrong',
    found: `sha256 ${found.sha256.slice(0, 12)}… in place of ${sha256.slice(0, 12)}…`,
  };
}
