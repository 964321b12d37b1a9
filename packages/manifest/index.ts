/**
 * What a release is, and the form of the documents that are signed. Schema, canonical bytes, names of files, version and
 * sequence rules. Nothing here touches a disk or a network, and nothing here
 * says whether a manifest is to be believed: that is `@landfall/trust`.
 */
export { z } from './zod.ts';
export {
  type Artifact,
  type Component,
  type FileArtifact,
  type Manifest,
  type Platform,
  type TreeArtifact,
  MAX_MANIFEST_BYTES,
  parseManifest,
  serializeManifest,
} from './manifest.ts';
export {
  MAX_ROOT_BYTES,
  parseRootDocument,
  rootPath,
  serializeRootDocument,
  type RootDocument,
} from './root.ts';
export {
  haltPath,
  MAX_HALT_BYTES,
  parseHalt,
  serializeHalt,
  type Halt,
  type Halted,
} from './halt.ts';
export {
  artifactDigest,
  artifactFiles,
  type Delta,
  DELTA_FORMAT,
  deltasOf,
  isTree,
  MAX_DELTAS,
  type ReleaseFile,
} from './files.ts';
export { ManifestError } from './errors.ts';
export {
  artifactFileName,
  artifactsOf,
  deltaFileName,
  hostPlatform,
  indexPath,
  isChannelName,
  isPlatform,
  isSlug,
  provenancePath,
  releaseTag,
  signaturePath,
} from './names.ts';
export {
  contentDigest,
  deploymentId,
  selectArtifacts,
  type Content,
  type Selected,
} from './content.ts';
export { parseRolloutSteps, type RolloutStep } from './rollout.ts';
export { unknownFields, unknownHaltFields, unknownRootFields } from './unknown.ts';
export { compareVersions, isNewer, isVersion, satisfies } from './version.ts';
