/** Whether a mirror serves an artifact whole and right, seen as a stranger sees it: by reading all of it. */
import { createHash } from 'node:crypto';
import type { ReleaseFile } from '@landfall/manifest';
import { MirrorError } from './errors.ts';
import type { Mirror, ReadOptions } from './mirror.ts';

/** Slower than this many bytes a second over a minute, a mirror is given up. */
const MIN_RATE = 1024;
const RATE_WINDOW_MS = 60_000;
const GRACE_MS = 60_000;

/** What stands there under the artifact's name. `found` tells people how it differs. */
export type ArtifactState =
  | { state: 'right' }
  | { state: 'missing' }
  | { state: 'wrong'; found: string };

/**
 * Reads the artifact and hashes it. Wrong bytes, a page of HTML and an endless
 * body are states; a mirror that cannot be asked is a `MirrorError`.
 */
export async function checkArtifact(
  mirror: Mirror,
  version: string,
  artifact: ReleaseFile,
  options: { signal?: AbortSignal } = {},
): Promise<ArtifactState> {
  const limits: ReadOptions = {
    maxBytes: artifact.size,
    deadlineMs: GRACE_MS + (artifact.size / MIN_RATE) * 1000,
    minRate: MIN_RATE,
    rateWindowMs: RATE_WINDOW_MS,
    ...options,
  };
  try {
    return await readState(mirror, version, artifact, limits);
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
  { file, size, sha256 }: ReleaseFile,
  limits: ReadOptions,
): Promise<ArtifactState> {
  const stream = await mirror.openArtifact(version, file, limits);
  if (stream === undefined) return { state: 'missing' };
  if (stream.size !== undefined && stream.size !== size) {
    await stream.body.return?.();
    return { state: 'wrong', found: `${stream.size} bytes in place of ${size}` };
  }
  const hash = createHash('sha256');
  let total = 0;
  for await (const chunk of stream.body) {
    hash.update(chunk);
    total += chunk.length;
  }
  if (total !== size) return { state: 'wrong', found: `${total} bytes in place of ${size}` };
  const digest = hash.digest('hex');
  return digest === sha256
    ? { state: 'right' }
    : {
        state: 'wrong',
        found: `sha256 ${digest.slice(0, 12)}… in place of ${sha256.slice(0, 12)}…`,
      };
}
