/** What artifacts hold, as listings that can be compared: from here, else from mirrors; always through the gate. */
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { gateArchive, type ListingEntry, sameTree } from '@landfall/archive';
import { type Artifact, type FileArtifact, isTree, type TreeArtifact } from '@landfall/manifest';
import { downloadArtifact, type Mirror } from '@landfall/mirrors';
import type { Settings } from './config.ts';
import { ReleaseError } from './errors.ts';
import { isWhole } from './steps/obtain.ts';
import { versionFolder } from './workspace.ts';

/** Where things are read from. */
export interface Sources {
  settings: Settings;
  mirrors: readonly Mirror[];
  scratch: string;
  signal: AbortSignal;
}

/** Whether two artifacts unpack to the same. */
export function sameContent(a: Artifact, b: Artifact): boolean {
  if (isTree(a) && isTree(b)) return sameTree(a.tree, b.tree);
  if (isTree(a) || isTree(b)) return false;
  const isSame = a.contentSha256 === b.contentSha256 && a.contentSize === b.contentSize;
  return isSame && a.mode === b.mode;
}

/**
 * What an artifact holds: an archive read through the gate, a single file from
 * what was signed. Throws `ReleaseError` DAMAGED when it is not what was signed.
 */
export async function listingOf(
  version: string,
  artifact: Artifact,
  sources: Sources,
): Promise<readonly ListingEntry[]> {
  if (!isTree(artifact)) return single(artifact);
  return withArtifact(version, artifact, sources, (source) =>
    checkedListing(source, artifact, sources.signal),
  );
}

/** Does `work` with the signed bytes of an artifact: a path here, or an open descriptor of what a mirror sent. */
export async function withArtifact<T>(
  version: string,
  artifact: Artifact,
  { settings, mirrors, scratch, signal }: Sources,
  work: (source: string | number) => Promise<T>,
): Promise<T> {
  const { file, size, sha256, frames } = artifact;
  const here = join(versionFolder(settings, version), file);
  if (await isWhole(here, artifact)) return work(here);
  const to = join(scratch, `${file}.unverified`);
  const wanted = { version, file, size, sha256, frames };
  const { fd } = await downloadArtifact(mirrors, { ...wanted, to, signal });
  try {
    return await work(fd);
  } finally {
    closeSync(fd);
  }
}

function single({ mode, contentSize: size, contentSha256: sha256 }: FileArtifact): ListingEntry[] {
  return [{ path: 'file', type: 'file', mode, size, sha256 }];
}

async function checkedListing(
  source: string | number,
  artifact: TreeArtifact,
  signal: AbortSignal,
): Promise<readonly ListingEntry[]> {
  const { tree, listing } = await gateArchive(source, { name: artifact.file, signal });
  if (sameTree(tree, artifact.tree)) return listing;
  throw new ReleaseError('DAMAGED', `'${artifact.file}' holds another tree than was signed`, {
    hint: "'release verify' shows which mirrors have it right",
  });
}
