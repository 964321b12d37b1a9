/**
 * One file of a release from the mirrors: it lies in `<file>.unverified` until
 * its digest is the one that was signed. What failed on the way is noted, and in
 * the journal. A crash leaves what came of it, which the next download goes on with.
 */
import { closeSync } from 'node:fs';
import type { Arrival } from '@landfall/archive';
import { crashPoint } from '@landfall/cli';
import type { Artifact } from '@landfall/manifest';
import { downloadArtifact, type DownloadOptions } from '@landfall/mirrors';
import { timestamp, tryTo, type Host } from '../host.ts';
import type { Offer } from '../offer.ts';
import { MIRRORS_HINT } from '../own-mirrors.ts';
import { ArrivingFile } from './arriving-file.ts';
import { removeDownload, unverifiedPath } from './downloads.ts';
import { startProgress } from './progress.ts';

/** Where a release can be had. */
export interface Source extends Pick<Offer, 'deployment' | 'mirrors'> {
  /** A file of it is here; what it is for comes next. */
  onFetched?: () => void;
}

interface Wanted {
  file: string;
  size: number;
  sha256: string;
  frames?: Artifact['frames'];
}

/** A file that may still be coming in. */
export interface Archive {
  fd: number;
  arrival: Arrival;
}

/**
 * Downloads a file of the release. Resolves to the descriptor that was hashed; the caller
 * closes it, then removes the file. Throws `MirrorError` when no mirror serves it right, and
 * what the disk refuses.
 */
export async function fetchFile(
  host: Host,
  { deployment, mirrors, onFetched }: Source,
  { file, size, sha256, frames }: Wanted,
  { signal = host.signal, onHere }: Pick<DownloadOptions, 'signal' | 'onHere'> = {},
): Promise<number> {
  const progress = startProgress(host, file, size);
  const { fd } = await downloadArtifact(mirrors, {
    version: deployment.version,
    file,
    size,
    sha256,
    frames,
    to: unverifiedPath(host.paths, file),
    onMirrorFailed: (mirror, error) => {
      host.note(error.message);
      host.journal.append({ at: timestamp(), mirror, problem: error.message });
    },
    onProgress: (bytes) => progress.at(bytes),
    ...(onHere === undefined ? {} : { onHere }),
    hint: MIRRORS_HINT,
    signal,
  }).finally(() => progress.end());
  onFetched?.();
  return fd;
}

/**
 * Downloads a file of the release and has it read meanwhile: `read` begins as soon as
 * something of it is right, and sees no other byte. Resolves to what it gives; the file stays.
 * Throws as `fetchFile` does, or what `read` throws, which ends the download: the file is
 * removed then.
 */
export async function readWhileFetched<T>(
  host: Host,
  source: Source,
  wanted: Wanted,
  read: (archive: Archive) => Promise<T>,
): Promise<T> {
  const arrival = new ArrivingFile(wanted.size);
  const ofNoUse = new AbortController();
  const reading = arrival.opened.then(async (fd) => {
    try {
      return await read({ fd, arrival });
    } finally {
      closeSync(fd);
    }
  });
  reading.catch((error: unknown) => ofNoUse.abort(error));
  const signal = AbortSignal.any([host.signal, ofNoUse.signal]);
  const onHere = (bytes: number, fd: number): void => arrival.reach(bytes, fd);
  try {
    const fd = await fetchFile(host, source, wanted, { signal, onHere });
    try {
      crashPoint('stage-downloaded');
      arrival.reach(wanted.size, fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const isOfNoUse = ofNoUse.signal.aborted;
    arrival.fail(error);
    if (!isOfNoUse) {
      // Nobody reads any more when this returns.
      await reading.catch(() => {});
      throw error;
    }
  }
  try {
    return await reading;
  } catch (error) {
    // A disk that does not let go of it must not stand in for why it is of no use.
    if (!host.signal.aborted) tryTo(host, () => removeDownload(host.paths, wanted.file));
    throw error;
  }
}
