/**
 * The mode gate on what is copied: an archive that no node would take is sent to
 * no mirror, whoever signed it.
 */
import { ArchiveError, gateArchive, sameTree } from '@landfall/archive';
import { isTree, type ReleaseFile } from '@landfall/manifest';

/**
 * Gates the file behind an open descriptor, whose bytes are those that were
 * signed. A single file and a delta have nothing to gate beyond them. Throws `ArchiveError`
 * ARCHIVE_REFUSED or ARCHIVE_DIGEST.
 */
export async function gateArtifact(
  fd: number,
  { artifact }: ReleaseFile,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (artifact === undefined || !isTree(artifact)) return;
  const options = { name: artifact.file, ...(signal === undefined ? {} : { signal }) };
  const { tree } = await gateArchive(fd, options);
  if (sameTree(tree, artifact.tree)) return;
  throw new ArchiveError(
    'ARCHIVE_DIGEST',
    `'${artifact.file}' holds another tree than was signed: expected digest ${artifact.tree.digest.slice(0, 12)}…, found ${tree.digest.slice(0, 12)}…`,
    { hint: 'no node would take it: the maintainer has to ship a repaired, newer version' },
  );
}
