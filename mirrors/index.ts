/**
 * Mirrors: where releases are published and found. Reading is anonymous and
 * believes nothing; publishing is done by maintainers. Every kind of mirror
 * behaves alike (one conformance suite). Only `http.ts` talks HTTP.
 */
export {
  type DirectoryConfig,
  type MirrorConfig,
  mirrorConfigSchema,
  secretVariables,
} from './config.ts';
export { type Download, downloadArtifact, type DownloadOptions } from './download.ts';
export { type Earlier, followHistory } from './earlier.ts';
export { requireFollows, requireHaltFollows } from './follows.ts';
export { gateArtifact } from './gate.ts';
export { IndexMemory, type RememberedFile } from './index-memory.ts';
export { historyPath, isFreeForChannel } from './layout.ts';
export { loadConfigModule } from './load-config.ts';
export { MirrorError, type MirrorErrorCode, withoutName } from './errors.ts';
export { withScratchFolder } from './scratch.ts';
export { openScratch, type PrepareIndexOptions, prepareIndexUpdate } from './index-commit.ts';
export type {
  ArtifactStream,
  IndexUpdate,
  Mirror,
  MirrorKind,
  ReadLimits,
  ReadOptions,
  ReleaseInfo,
  UploadOptions,
  WritableMirror,
  WriteCheck,
  WriteIndexOptions,
} from './mirror.ts';
export { openMirrors, openWritableMirrors } from './open.ts';
export { Bandwidth, parseBandwidth, throttled } from './throttle.ts';
export { type KeptRoots, readKeptRoots, readPin, readRootFolder } from './root-folder.ts';
export {
  highestHalts,
  type HaltRow,
  readSignedHalt,
  type SignedHalt,
  surveyHalts,
} from './signed-halt.ts';
export {
  type FoundBytes,
  readSignedBytes,
  requireOneMeaning,
  SignedBytes,
} from './signed-bytes.ts';
export { gatherNextRoot, type SignedRoot } from './signed-root.ts';
export { type RootEquivocation, type RootWalk, walkRoot } from './walk-root.ts';
export {
  concludeSurvey,
  type Survey,
  surveyMirrors,
  type SurveyOptions,
  type SurveyRow,
} from './survey.ts';
export { gatherProvenance, readProvenance, type SignedProvenance } from './provenance.ts';
export { isSigned, type ReadIndexFile } from './signed-index.ts';
