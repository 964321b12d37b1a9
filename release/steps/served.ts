/**
 * What a mirror really serves: read as an anonymous stranger, written to a
 * scratch file, held against all that was signed of it, and gated there, by descriptor.
 * A crash leaves scratch files, which the next run removes.
 */
import { closeSync, constants, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { ReleaseFile } from '@landfall/manifest';
import {
  type FoundBytes,
  gateArtifact,
  type Mirror,
  MirrorError,
  requireOneMeaning,
  SignedBytes,
} from '@landfall/mirrors';
import { isPrefix } from '../files.ts';

/** What was found under an artifact's name on a mirror. */
export type Verdict =
  /** Our bytes, whole; they passed the gate and hold what was signed. */
  | { readonly kind: 'same' }
  | { readonly kind: 'absent' }
  /** The beginning of our bytes: an upload that broke off. */
  | { readonly kind: 'partial'; readonly found: string }
  | { readonly kind: 'different'; readonly found: string };

/** Which artifact is read back, and what it is compared with. */
export interface ServedOptions {
  version: string;
  artifact: ReleaseFile;
  /** A folder for the scratch file. */
  scratch: string;
  /** Our own copy, to tell a broken-off upload from other bytes; undefined when there is none here. */
  local: string | undefined;
  signal: AbortSignal;
  onProgress?: (bytes: number) => void;
}

/** Below this many bytes a second over a minute a mirror is given up. */
const MIN_RATE = 1024;
const RATE_WINDOW_MS = 60_000;
const GRACE_MS = 60_000;

/**
 * Reads one artifact back. Throws `MirrorError` when the mirror cannot tell, `ArchiveError` when
 * the gate refuses, `ManifestError` MANIFEST_CONTRADICTION when no bytes are all that was signed.
 */
export async function readServed(mirror: Mirror, options: ServedOptions): Promise<Verdict> {
  const { artifact, scratch, signal } = options;
  // A folder for each mirror: two names in one could be too long, or mean another pair.
  const folder = join(scratch, mirror.name);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${artifact.file}.unverified`);
  const { O_CREAT, O_NOFOLLOW, O_RDWR, O_TRUNC } = constants;
  const fd = openSync(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
  try {
    const found = await fetchTo(fd, mirror, options);
    if (found === 'absent') return { kind: 'absent' };
    if (found === 'larger') {
      return { kind: 'different', found: `more than ${artifact.size} bytes` };
    }
    if (!requireOneMeaning(found, artifact)) {
      const what = `${found.size} bytes with sha256 ${found.sha256.slice(0, 12)}…`;
      const broken = options.local !== undefined && isPrefix(path, options.local);
      return { kind: broken ? 'partial' : 'different', found: what };
    }
    await gateArtifact(fd, artifact, { scratch: `${path}.content`, signal });
    return { kind: 'same' };
  } finally {
    closeSync(fd);
    rmSync(path, { force: true });
  }
}

async function fetchTo(
  fd: number,
  mirror: Mirror,
  options: ServedOptions,
): Promise<FoundBytes | 'absent' | 'larger'> {
  const { artifact, signal } = options;
  const stream = await mirror
    .openArtifact(options.version, artifact.file, {
      maxBytes: artifact.size,
      minRate: MIN_RATE,
      rateWindowMs: RATE_WINDOW_MS,
      deadlineMs: GRACE_MS + (artifact.size / MIN_RATE) * 1000,
      signal,
    })
    .catch(orLarger);
  if (stream === undefined) return 'absent';
  if (stream === 'larger') return 'larger';
  const bytes = new SignedBytes(artifact);
  let size = 0;
  try {
    for await (const chunk of stream.body) {
      bytes.update(chunk);
      for (let done = 0; done < chunk.length;) done += writeSync(fd, chunk, done);
      size += chunk.length;
      options.onProgress?.(size);
    }
  } catch (error) {
    return orLarger(error);
  }
  return bytes.finish();
}

/** More bytes than signed is an answer, not a failure: something else stands there. */
function orLarger(error: unknown): 'larger' {
  if (error instanceof MirrorError && error.code === 'TOO_LARGE') return 'larger';
  throw error;
}
