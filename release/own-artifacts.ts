/**
 * A manifest that is to be signed, beside what stands here of its release: what was built here
 * from the same commit, or downloaded, is held against all that the manifest says of it. Nothing
 * is fetched, and nothing but a scratch file is written.
 */
import { closeSync, existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { artifactFiles, type Manifest, type ReleaseFile } from '@landfall/manifest';
import {
  gateArtifact,
  readSignedBytes,
  requireOneMeaning,
  withScratchFolder,
} from '@landfall/mirrors';
import { ReleaseError } from './errors.ts';

/**
 * The artifacts of `manifest` that stand in `folder`, each of which is what the manifest says: its
 * bytes, their ranges, and what they unpack to. Throws `ReleaseError` NOT_SIGNABLE for other
 * bytes, `ManifestError` MANIFEST_CONTRADICTION, `ArchiveError`.
 */
export async function compareWithOwn(
  manifest: Manifest,
  folder: string,
  signal: AbortSignal,
): Promise<string[]> {
  return withScratchFolder('sign', async (scratch) => {
    const compared: string[] = [];
    for (const file of artifactFiles(manifest)) {
      const path = join(folder, file.file);
      if (file.artifact === undefined || !existsSync(path)) continue;
      await compareOne(path, file, { scratch: join(scratch, 'content'), signal });
      compared.push(file.file);
    }
    return compared;
  });
}

async function compareOne(
  path: string,
  file: ReleaseFile,
  options: { scratch: string; signal: AbortSignal },
): Promise<void> {
  const fd = openSync(path, 'r');
  try {
    const found = await readSignedBytes(fd, file, options.signal);
    if (!requireOneMeaning(found, file)) {
      throw new ReleaseError(
        'NOT_SIGNABLE',
        `'${path}' is not what the manifest means: expected sha256 ${file.sha256.slice(0, 12)}…, found ${found.sha256.slice(0, 12)}…`,
        {
          hint: "build the commit of the manifest again ('release build'); if it still differs, ask who made it; without that folder nothing is compared",
        },
      );
    }
    await gateArtifact(fd, file, options);
  } finally {
    closeSync(fd);
  }
}

/** What was compared, for people. */
export function describeCompared(
  manifest: Manifest,
  compared: readonly string[],
  folder: string,
): string {
  const total = artifactFiles(manifest).filter(({ artifact }) => artifact !== undefined).length;
  return compared.length === 0
    ? `compared:  with nothing: '${folder}' holds none of it ('release build ${manifest.version}' of the same commit makes it)`
    : `compared:  ${compared.length} of ${total} artifacts are what stands in '${folder}', and unpack to what is said`;
}
