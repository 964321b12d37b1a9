/**
 * One file of a release from the mirrors: it lies in `<file>.unverified` until
 * its digest is the one that was signed. What failed on the way is noted, and in
 * the journal.
 */
import { rmSync } from 'node:fs';
import type { Artifact } from '@landfall/manifest';
import { downloadArtifact } from '@landfall/mirrors';
import { timestamp, type Host } from '../host.ts';
import type { Offer } from '../offer.ts';
import { unverifiedPath } from './downloads.ts';
import { startProgress } from './progress.ts';

/** Where a release can be had. */
export interface Source extends Pick<Offer, 'deployment' | 'mirrors'> {
  /** A file of it is here; what it is for comes next. */
  onFetched?: () => void;
}

/** What was downloaded: `fd` is the descriptor that was hashed; the caller closes it, then removes the file. */
export interface Fetched {
  fd: number;
  remove: () => void;
}

/** Downloads a file of the release. Throws `MirrorError` when no mirror serves it right, and what the disk refuses. */
export async function fetchFile(
  host: Host,
  { deployment, mirrors, onFetched }: Source,
  wanted: { file: string; size: number; sha256: string; frames?: Artifact['frames'] },
): Promise<Fetched> {
  const { file, size, sha256, frames } = wanted;
  const to = unverifiedPath(host.paths, file);
  const progress = startProgress(host, file, size);
  const { fd } = await downloadArtifact(mirrors, {
    version: deployment.version,
    file,
    size,
    sha256,
    frames,
    to,
    onMirrorFailed: (mirror, error) => {
      host.note(error.message);
      host.journal.append({ at: timestamp(), mirror, problem: error.message });
    },
    onProgress: (bytes) => progress.at(bytes),
    signal: host.signal,
  }).finally(() => progress.end());
  onFetched?.();
  return { fd, remove: () => rmSync(to, { force: true }) };
}
