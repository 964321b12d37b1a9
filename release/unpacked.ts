/** An artifact laid out on the disk, as a node would have it. Into folders of the caller's, which removes them. */
import { mkdirSync } from 'node:fs';
import { extractFile, extractTree } from '@landfall/archive';
import type { Tree } from '@landfall/delta';
import { type Artifact, type FileArtifact, isTree } from '@landfall/manifest';

/**
 * Unpacks what was signed to `root`, which must not be there; an archive passes
 * the gate on the way. Throws `ArchiveError`, also when it is not what was signed.
 */
export async function unpackTo(
  root: string,
  source: string | number,
  artifact: Artifact,
  signal: AbortSignal,
): Promise<Tree> {
  if (!isTree(artifact)) {
    await extractFile(source, root, contentOf(artifact, signal));
    const { mode, contentSize: size, contentSha256: sha256 } = artifact;
    return { root, listing: [{ path: '.', type: 'file', mode, size, sha256 }] };
  }
  mkdirSync(root);
  const { tree: expect, file: name } = artifact;
  const { listing } = await extractTree(source, root, { expect, name, signal });
  return { root, listing };
}

/** What a single file must hold, as `extractFile` takes it. */
export function contentOf(
  { file, mode, contentSha256, contentSize }: FileArtifact,
  signal: AbortSignal,
): Parameters<typeof extractFile>[2] {
  return { name: file, mode, contentSha256, contentSize, signal };
}
