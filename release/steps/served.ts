/**
 * What a mirror really serves: read as an anonymous stranger, written to a
 * scratch file, hashed, and gated there. A crash leaves scratch files, which
 * the next run removes.
 */
import { createHash } from 'node:crypto';
import { closeSync, constants, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type Artifact, isTree, type ReleaseFile } from '@landfall/manifest';
import { type Mirror, MirrorError } from '@landfall/mirrors';
import { isPrefix } from '../files.ts';
import { gateArtifact } from './gate.ts';

/** What was found under an artifact's name on a mirror. */
export type Verdict =
  /** Our bytes, whole; an archive passed the gate. */
  | { readonly kind: 'same' }
  | { readonly kind: 'absent' }
  /** The beginning of our bytes: an upload that broke off. */
  | { readonly kind: 'partial'; readonly found: string }
  | { readonly kind: 'different'; readonly found: string };

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

/** Reads one artifact back. Throws `MirrorError` when the mirror cannot tell, `ArchiveError` when the gate refuses. */
export async function readServed(mirror: Mirror, options: ServedOptions): Promise<Verdict> {
  const { artifact, scratch, signal } = options;
  mkdirSync(scratch, { recursive: true });
  const path = join(scratch, `${mirror.name}-${artifact.file}.unverified`);
  try {
    const found = await fetchTo(path, mirror, options);
    if (found === 'absent') return { kind: 'absent' };
    if (found === 'larger') {
      return { kind: 'different', found: `more than ${artifact.size} bytes` };
    }
    if (found.size !== artifact.size || found.sha256 !== artifact.sha256) {
      const what = `${found.size} bytes with sha256 ${found.sha256.slice(0, 12)}…`;
      const broken = options.local !== undefined && isPrefix(path, options.local);
      return { kind: broken ? 'partial' : 'different', found: what };
    }
    await gateServed(path, artifact.artifact, signal);
    return { kind: 'same' };
  } finally {
    rmSync(path, { force: true });
  }
}

let turn: Promise<unknown> = Promise.resolve();

/**
 * The mode gate on an archive that a mirror serves, one at a time: all run on
 * this machine's processors and memory, however many mirrors there are. A
 * single file and a delta have nothing to gate beyond their digest.
 */
async function gateServed(
  path: string,
  artifact: Artifact | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (artifact === undefined || !isTree(artifact)) return;
  const mine = turn.then(() => gateArtifact(path, artifact, signal));
  turn = mine.catch(() => undefined);
  await mine;
}

async function fetchTo(
  path: string,
  mirror: Mirror,
  options: ServedOptions,
): Promise<{ size: number; sha256: string } | 'absent' | 'larger'> {
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
  const { O_CREAT, O_NOFOLLOW, O_TRUNC, O_WRONLY } = constants;
  const fd = openSync(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
  const hash = createHash('sha256');
  let size = 0;
  try {
    for await (const chunk of stream.body) {
      hash.update(chunk);
      for (let done = 0; done < chunk.length;) done += writeSync(fd, chunk, done);
      size += chunk.length;
      options.onProgress?.(size);
    }
  } catch (error) {
    return orLarger(error);
  } finally {
    closeSync(fd);
  }
  return { size, sha256: hash.digest('hex') };
}

/** More bytes than signed is an answer, not a failure: something else stands there. */
function orLarger(error: unknown): 'larger' {
  if (error instanceof MirrorError && error.code === 'TOO_LARGE') return 'larger';
  throw error;
}
