/**
 * Every file of a release: its artifacts, and the deltas that lead to them from
 * earlier releases. What publishes, copies or checks a release walks all of
 * them; a node may take the one or the other.
 *
 * Deltas in a manifest are read one by one: an entry of a format that is not
 * known here is a file like any other for those who publish it, and nothing for
 * a node. None makes a manifest unreadable.
 */
import { z } from './zod.ts';
import { fileField, sha256Field, sizeField, versionField } from './document.ts';
import type { Artifact, Manifest, TreeArtifact } from './manifest.ts';

/** An artifact has no more deltas. */
export const MAX_DELTAS = 16;

/** The edition of delta files that is made and read here. */
export const DELTA_FORMAT = 1;

const servedSchema = z.looseObject({
  file: fileField,
  size: sizeField.check(z.minimum(1)),
  sha256: sha256Field,
});

const deltaSchema = z.extend(servedSchema, {
  /** What it is applied to: the release, and the digest that `artifactDigest` has of its artifact. */
  from: z.looseObject({ version: versionField, digest: sha256Field }),
  format: z.literal(DELTA_FORMAT),
});

/** A file that leads from one artifact of an earlier release to the one it belongs to. */
export type Delta = z.infer<typeof deltaSchema>;

/** A file of a release as mirrors serve it. Size in bytes, digest in hex. */
export interface ReleaseFile {
  file: string;
  size: number;
  sha256: string;
  /** The artifact that it is; undefined for a delta. */
  artifact: Artifact | undefined;
}

/** The deltas of an artifact that can be applied here, in the manifest's order; others are left out. */
export function deltasOf({ deltas }: Pick<Artifact, 'deltas'>): Delta[] {
  return deltas.flatMap((each) => deltaSchema.safeParse(each).data ?? []);
}

/** Every file of a release, in the manifest's order: each artifact with its deltas behind it. */
export function artifactFiles(manifest: Pick<Manifest, 'components'>): ReleaseFile[] {
  return manifest.components.flatMap(({ artifacts }) =>
    artifacts.flatMap((artifact: Artifact) => [
      { ...servedOf(artifact), artifact },
      ...artifact.deltas.flatMap((each) => {
        const { data } = servedSchema.safeParse(each);
        return data === undefined ? [] : [{ ...servedOf(data), artifact: undefined }];
      }),
    ]),
  );
}

/** What an artifact unpacks to, as one digest in hex: a tree's, or that of a single file's content. */
export function artifactDigest(artifact: Artifact): string {
  return isTree(artifact) ? artifact.tree.digest : artifact.contentSha256;
}

/** Both kinds keep unknown fields, so that a field alone does not tell them apart for the compiler. */
export function isTree(artifact: Artifact): artifact is TreeArtifact {
  return !('contentSha256' in artifact);
}

function servedOf({ file, size, sha256 }: Omit<ReleaseFile, 'artifact'>): {
  file: string;
  size: number;
  sha256: string;
} {
  return { file, size, sha256 };
}
