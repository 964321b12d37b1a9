/** The mirrors that a node's configuration names, read no faster than it says. */
import { dirname } from 'node:path';
import {
  Bandwidth,
  type IndexMemory,
  type Mirror,
  openMirrors,
  throttled,
} from '@landfall/mirrors';
import type { Config } from './config.ts';

/** What to do about mirrors that do not serve a file: a node has no configuration for `mirrors status`. */
export const MIRRORS_HINT =
  "'updater check' shows which mirrors are up; ask whoever keeps them to complete one";

/** Opens them, in the order of the configuration; relative paths are from its folder. `bandwidth` bounds the artifacts of all of them together. */
export function openOwnMirrors(
  { mirrors, bandwidth, file }: Pick<Config, 'mirrors' | 'bandwidth' | 'file'>,
  options: { memory?: IndexMemory } = {},
): Mirror[] {
  const all = openMirrors(mirrors, { ...options, directory: dirname(file) });
  if (bandwidth === undefined) return all;
  const shared = new Bandwidth(bandwidth);
  return all.map((mirror) => throttled(mirror, shared));
}
