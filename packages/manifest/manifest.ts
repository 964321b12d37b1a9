/**
 * The manifest's schema (version 1), reader and writer.
 *
 * Parse only bytes whose signature was verified. Unknown fields are kept and
 * ignored, at every level, so that an older node can read a newer release; an
 * unknown `schema` is refused.
 */
import { z } from './zod.ts';
import {
  channelField,
  type DocumentKind,
  fileField,
  parseDocument,
  serializeDocument,
  sha256Field,
  sizeField,
  slugField,
  timestampField,
  versionField,
  wordsField,
} from './document.ts';
import { artifactFiles, MAX_DELTAS } from './files.ts';
import { isPlatform } from './names.ts';

/** No manifest is larger; a reader stops there. */
export const MAX_MANIFEST_BYTES = 1024 * 1024;

const platform = z
  .string()
  .check(z.refine(isPlatform, "expected 'any' or a platform such as linux-x64"));

/** Consecutive ranges of the file, from its first byte to its last. */
const framesField = z.optional(
  z
    .array(z.looseObject({ size: sizeField.check(z.minimum(1)), sha256: sha256Field }))
    .check(z.minLength(1), z.maxLength(4096)),
);

const artifactCommon = {
  platform,
  file: fileField,
  size: sizeField.check(z.minimum(1)),
  sha256: sha256Field,
  /** Read one by one, by `deltasOf`: one that is not understood is no reason to refuse a release. */
  deltas: z.array(z.looseObject({})).check(z.maxLength(MAX_DELTAS)),
  frames: framesField,
};

const treeArtifact = z.looseObject({
  ...artifactCommon,
  tree: z.looseObject({
    digest: sha256Field,
    size: sizeField,
    entries: z.int().check(z.minimum(1)),
  }),
});

const fileArtifact = z.looseObject({
  ...artifactCommon,
  mode: z.union([z.literal(0o644), z.literal(0o755)], 'expected 420 (0644) or 493 (0755)'),
  contentSha256: sha256Field,
  contentSize: sizeField,
});

const component = z.discriminatedUnion('kind', [
  z.looseObject({
    name: slugField,
    kind: z.literal('tree'),
    artifacts: z.array(treeArtifact).check(z.minLength(1), z.maxLength(32)),
  }),
  z.looseObject({
    name: slugField,
    kind: z.literal('file'),
    artifacts: z.array(fileArtifact).check(z.minLength(1), z.maxLength(32)),
  }),
]);

const manifestSchema = z
  .looseObject({
    schema: z.literal(1),
    app: slugField,
    channel: channelField,
    version: versionField,
    sequence: z.int().check(z.minimum(1)),
    published: timestampField,
    expires: timestampField,
    previous: z.nullable(
      z.looseObject({ sequence: z.int().check(z.minimum(1)), sha256: sha256Field }),
    ),
    commit: wordsField(64),
    notes: z.string().check(z.maxLength(65_536)),
    components: z.array(component).check(z.minLength(1), z.maxLength(64)),
    requires: z.looseObject({
      updater: z.optional(wordsField(128)),
      from: z.optional(wordsField(128)),
    }),
    rollout: z.looseObject({ steps: z.array(z.looseObject({})) }),
    withdrawn: z.array(versionField).check(z.maxLength(10_000)),
    /** The newest root document there is: who knows an older one asks for the steps to it. */
    root: z.optional(z.int().check(z.minimum(1))),
  })
  .check(
    z.superRefine((manifest, context) => {
      const problem = (message: string): void => context.addIssue({ code: 'custom', message });
      // The same keys sign halt files: one that could be read as a manifest too would mean two things.
      if ('kind' in manifest) problem("it is a document of another kind: expected no 'kind'");
      const names = manifest.components.map((each) => each.name);
      if (new Set(names).size !== names.length) problem('a component is named twice');
      const files = artifactFiles(manifest).map(({ file }) => file);
      if (new Set(files).size !== files.length) problem('a file is named twice');
      for (const each of manifest.components) {
        for (const artifact of each.artifacts) {
          const { file, frames, size: whole } = artifact;
          const sum = frames?.reduce((total, frame) => total + frame.size, 0) ?? whole;
          if (sum !== whole) problem(`the frames of '${file}' do not add up to its size`);
          // Readers tell the kinds apart by these fields: one with both is not the same to all.
          if ('tree' in artifact && 'contentSha256' in artifact) {
            problem(`'${file}' is said to be a tree and a single file`);
          }
        }
        const platforms = each.artifacts.map((artifact) => artifact.platform);
        if (new Set(platforms).size !== platforms.length) {
          problem(`component '${each.name}' has two artifacts for one platform`);
        }
      }
      if (manifest.expires <= manifest.published) problem("'expires' is not after 'published'");
      if (manifest.previous !== null && manifest.previous.sequence >= manifest.sequence) {
        problem("'previous' is not older than the manifest itself");
      }
    }),
  );

/** A release of one channel. Sizes in bytes, digests in lower-case hex, times in UTC. */
export type Manifest = z.infer<typeof manifestSchema>;
/** A part of a release, a tree or a single file, with at most one artifact for each platform. */
export type Component = Manifest['components'][number];
/** A compressed tar, with digest, size and entries of the tree in it (docs/formats.md). */
export type TreeArtifact = z.infer<typeof treeArtifact>;
/** One compressed file, with the mode that it gets and the SHA-256 and size of its content. */
export type FileArtifact = z.infer<typeof fileArtifact>;
/** Of either kind. Only that of a tree has `tree`, only that of a file `contentSha256`. */
export type Artifact = TreeArtifact | FileArtifact;
/** `any`, or `<os>-<cpu>` as Node names them: `linux-x64`. */
export type Platform = string;

const kind: DocumentKind<Manifest> = {
  name: 'manifest',
  schema: manifestSchema,
  maxBytes: MAX_MANIFEST_BYTES,
  invalid: 'MANIFEST_INVALID',
  otherSchema: 'MANIFEST_SCHEMA',
};

/**
 * Reads manifest bytes. Throws `ManifestError`: MANIFEST_SCHEMA for a schema
 * of the future, MANIFEST_INVALID for anything else that does not fit.
 */
export function parseManifest(bytes: Uint8Array): Manifest {
  return parseDocument(bytes, kind);
}

/**
 * The bytes that are signed and published: JSON, two spaces, fields in the
 * order of the schema, a newline at the end. Throws `ManifestError`
 * MANIFEST_INVALID when `manifest` does not fit its own schema.
 */
export function serializeManifest(manifest: Manifest): Uint8Array {
  return serializeDocument(manifest, kind);
}
