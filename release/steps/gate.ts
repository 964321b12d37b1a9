/**
 * The mode gate at build: every finished artifact is read back from the disk,
 * by our own parser and by a second one, and must hold exactly what will be
 * signed: also what others drafted, before it is signed here. No option turns this off.
 */
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { type Artifact, artifactFiles, type Component } from '@landfall/manifest';
import { gateArtifact, readSignedBytes, requireOneMeaning } from '@landfall/mirrors';
import { ReleaseError } from '../errors.ts';
import { compareReaders } from './second-reader.ts';

/** Single files are unpacked beside the artifacts, one at a time, and removed again. */
export interface GateOptions {
  /** Where the artifacts are. */
  folder: string;
  signal: AbortSignal;
}

/**
 * Gates every artifact of `components` in `folder`; how many entries of archives
 * two readers saw alike. Throws `ArchiveError` ARCHIVE_REFUSED, `ManifestError`
 * MANIFEST_CONTRADICTION, `ReleaseError` READERS_DISAGREE, DAMAGED.
 */
export async function gateRelease(
  components: readonly Component[],
  { folder, signal }: GateOptions,
): Promise<number> {
  let agreed = 0;
  for (const { artifact } of artifactFiles({ components: [...components] })) {
    if (artifact === undefined) continue;
    const path = join(folder, artifact.file);
    const fd = openSync(path, 'r');
    try {
      await checkBytes(fd, path, artifact, signal);
      const options = { scratch: `${path}.gate`, signal };
      const report = await gateArtifact(fd, { artifact }, options);
      if (report !== undefined) agreed += await compareReaders(path, report, signal);
    } finally {
      closeSync(fd);
    }
  }
  return agreed;
}

async function checkBytes(
  fd: number,
  path: string,
  artifact: Artifact,
  signal: AbortSignal,
): Promise<void> {
  const file = { ...artifact, artifact };
  const found = await readSignedBytes(fd, file, signal);
  if (requireOneMeaning(found, file)) return;
  throw new ReleaseError(
    'DAMAGED',
    `'${path}' changed: expected ${artifact.size} bytes with sha256 ${artifact.sha256.slice(0, 12)}…, found ${found.size} with ${found.sha256.slice(0, 12)}…`,
    {
      hint: 'something changed it after it was made; if it was never shipped, remove its folder and build again',
    },
  );
}
