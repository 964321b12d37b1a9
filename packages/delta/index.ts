/**
 * What leads from one release to the next where most of it stays: `makeDelta`
 * for those who publish, `applyDelta` for nodes. They share the format
 * (docs/formats.md) and its caps. What a delta leads to is held to what was
 * signed, so that a delta is never believed, only useful or not.
 */
export { applyDelta, type ApplyDeltaOptions, keepTree } from './apply.ts';
export type { FileInfo } from './check.ts';
export { type Inflate, inflateHere } from './codec.ts';
export { DeltaError } from './errors.ts';
export type { Tree } from './files.ts';
export { makeDelta, type MakeDeltaOptions } from './make.ts';
