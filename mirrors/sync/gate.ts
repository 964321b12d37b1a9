/**
 * The mode gate on what is copied: an archive that no node would take is sent to
 * no mirror, whoever signed it.
 */
import { ArchiveError, gateArchive, sameTree } from '@landfall/archive';
import type { Artifact, TreeArtifact } from '@landfall/manifest';

/**
 * Gates the artifact behind an open descriptor, whose bytes are those that were
 * signed. A single file has nothing to gate beyond them. Throws `ArchiveError`
 * ARCHIVE_REFUSED or ARCHIVE_DIGEST.
 */
export async function gateArtifact(
  fd: number,
  artifact: Artifact,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (!isTree(artifact)) return;
  const options = { name: artifact.file, ...(signal === undefined ? {} : { signal }) };
  const { tree } = await gateArchive(fd, options);
  if (sameTree(tree, artifact.tree)) return;
  throw new ArchiveError(
    'ARCHIVE_DIGEST',
    `'${artifact.file}' holds another tree than was signed: expected digest ${artifact.tree.digest.slice(0, 12)}…, found ${tree.digest.slice(0, 12)}…`,
    { hint: 'no node would take it: the maintainer has to ship a repaired, newer version' },
  );
}

/** Both kinds keep unknown fields, so that a field alone does not tell them apart for the compiler. */
function isTree(artifact: Artifact): artifact is TreeArtifact {
  return !('contentSha256' in artifact);
}
