/** Every group of benches, in the order in which they run. To add one: a file in `groups/`, and its line here. */
import type { Group } from './bench.ts';
import { build } from './groups/build.ts';
import { extract } from './groups/extract.ts';
import { delta, download, growth, idle, slot, update } from './groups/planned.ts';
import { start } from './groups/start.ts';

export const GROUPS: readonly Group[] = [
  build,
  extract,
  update,
  slot,
  delta,
  download,
  start,
  idle,
  growth,
];
