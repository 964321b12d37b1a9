/**
 * One file of a release from mirrors, on its way to others: downloaded, held against all that
 * was signed of it, and gated. A crash leaves it at its path, where the next run finds it.
 */
import { closeSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { crashPoint, formatBytes } from '@landfall/cli';
import { checkArtifact } from '../check-artifact.ts';
import { downloadArtifact } from '../download.ts';
import { MirrorError } from '../errors.ts';
import { gateArtifact } from '../gate.ts';
import type { Mirror } from '../mirror.ts';
import { readSignedBytes, requireOneMeaning } from '../signed-bytes.ts';
import type { Wanted } from './goal.ts';
import { openHeld } from './held.ts';

interface ObtainOptions {
  /** A line of progress. */
  onLine?: (line: string) => void;
  signal?: AbortSignal;
}

/**
 * Puts the file at `to`, from the first of `order` that serve it right. Throws `MirrorError`, and
 * what `requireOneMeaning` and `gateArtifact` throw of what nobody should copy.
 */
export async function obtain(
  wanted: Wanted,
  order: readonly Mirror[],
  to: string,
  options: ObtainOptions,
): Promise<void> {
  const { artifact } = wanted;
  const { onLine, signal } = options;
  mkdirSync(dirname(to), { recursive: true });
  const held = await openHeld(to, artifact);
  if (held !== undefined) onLine?.(`${artifact.file}: already here, from a run that was cut off`);
  const fd = held ?? (await fetch(order, wanted, to, options));
  try {
    crashPoint('sync-artifact-fetched');
    // What came in ranges was held to those alone; `openHeld` has read the whole.
    if (held === undefined)
      requireOneMeaning(await readSignedBytes(fd, artifact, signal), artifact);
    await gateArtifact(fd, artifact, { scratch: `${to}.content`, signal });
  } finally {
    closeSync(fd);
  }
}

/** Open for reading; the caller closes it. */
async function fetch(
  order: readonly Mirror[],
  wanted: Wanted,
  to: string,
  { onLine, signal }: ObtainOptions,
): Promise<number> {
  const { version, artifact } = wanted;
  const wrong = new Set<string>();
  const { mirror, fd, failed } = await downloadArtifact(order, {
    version,
    file: artifact.file,
    size: artifact.size,
    sha256: artifact.sha256,
    frames: artifact.artifact?.frames,
    to,
    onMirrorFailed: (name, error) => {
      if (error.code === 'BAD_ANSWER') wrong.add(name);
    },
    ...(signal === undefined ? {} : { signal }),
  }).catch(async (error: unknown) => {
    const asked = order.filter(({ name }) => wrong.has(name));
    if (error instanceof MirrorError) await lookForContradiction(asked, wanted, signal);
    throw error;
  });
  for (const each of failed) onLine?.(`warning: ${each.error.message}`);
  onLine?.(
    `${artifact.file}: ${formatBytes(artifact.size)} from ${mirror === undefined ? 'a run that was cut off' : `'${mirror}'`}`,
  );
  return fd;
}

/**
 * Mirrors that sent wrong ranges may have sent what the SHA-256 means: reading all of it tells
 * which is wrong, the mirror or the manifest.
 */
async function lookForContradiction(
  order: readonly Mirror[],
  { version, artifact }: Wanted,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (artifact.artifact?.frames === undefined) return;
  for (const mirror of order) {
    try {
      await checkArtifact(mirror, version, artifact, { signal });
    } catch (error) {
      if (!(error instanceof MirrorError)) throw error;
    }
  }
}
