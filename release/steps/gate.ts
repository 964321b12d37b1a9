/**
 * The mode gate at build: every finished artifact is read back from the disk,
 * by our own parser and by a second one, and must hold exactly what will be
 * signed. No option turns this off.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { extractFile, gateArchive, type GateReport, sameTree } from '@landfall/archive';
import {
  type Artifact,
  type Component,
  type FileArtifact,
  isTree,
  type TreeArtifact,
} from '@landfall/manifest';
import { ReleaseError } from '../errors.ts';
import { sha256File } from '../files.ts';
import { compareReaders } from './second-reader.ts';

export interface GateOptions {
  /** Where the artifacts are. */
  folder: string;
  signal: AbortSignal;
}

/**
 * Gates every artifact of `components` in `folder`; how many entries of archives
 * two readers saw alike. Throws `ArchiveError`
 * ARCHIVE_REFUSED or ARCHIVE_DIGEST, `ReleaseError` READERS_DISAGREE, DAMAGED.
 */
export async function gateRelease(
  components: readonly Component[],
  options: GateOptions,
): Promise<number> {
  let agreed = 0;
  for (const component of components) {
    for (const artifact of component.artifacts) {
      const path = join(options.folder, artifact.file);
      await checkBytes(path, artifact);
      const report = await gateArtifact(path, artifact, options.signal);
      if (report !== undefined) agreed += await compareReaders(path, report, options.signal);
    }
  }
  return agreed;
}

/**
 * Gates one artifact on the disk and compares its content with what is or will
 * be signed: a tree through `gateArchive`, whose report is returned; a single
 * file by unpacking it beside itself.
 */
export async function gateArtifact(
  path: string,
  artifact: Artifact,
  signal: AbortSignal,
): Promise<GateReport | undefined> {
  if (isTree(artifact)) return gateTree(path, artifact, signal);
  await gateFile(path, artifact, signal);
  return undefined;
}

async function gateTree(
  path: string,
  artifact: TreeArtifact,
  signal: AbortSignal,
): Promise<GateReport> {
  const report = await gateArchive(path, { name: artifact.file, signal });
  const expected = artifact.tree;
  if (sameTree(report.tree, expected)) return report;
  throw new ReleaseError(
    'DAMAGED',
    `'${artifact.file}' holds another tree: expected digest ${expected.digest.slice(0, 12)}… (${expected.entries} entries), found ${report.tree.digest.slice(0, 12)}… (${report.tree.entries} entries)`,
    { hint: 'something changed the archive after it was packed: build again' },
  );
}

async function gateFile(path: string, artifact: FileArtifact, signal: AbortSignal): Promise<void> {
  const out = `${path}.gate`;
  rmSync(out, { force: true });
  const { file, mode, contentSha256, contentSize } = artifact;
  try {
    await extractFile(path, out, { name: file, mode, contentSha256, contentSize, signal });
  } finally {
    rmSync(out, { force: true });
  }
}

async function checkBytes(
  path: string,
  artifact: { file: string; size: number; sha256: string },
): Promise<void> {
  const found = await sha256File(path);
  if (found.size === artifact.size && found.sha256 === artifact.sha256) return;
  throw new ReleaseError(
    'DAMAGED',
    `'${path}' changed: expected ${artifact.size} bytes with sha256 ${artifact.sha256.slice(0, 12)}…, found ${found.size} with ${found.sha256.slice(0, 12)}…`,
    {
      hint: 'something changed it after it was made; if it was never shipped, remove its folder and build again',
    },
  );
}
