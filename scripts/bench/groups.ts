/** Every group of benches, in the order in which they run. To add one: a file in `groups/`, and its line here. */
import type { Group } from './bench.ts';
import { build } from './groups/build.ts';
import { apply } from './groups/apply.ts';
import { delta } from './groups/delta.ts';
import { download } from './groups/download.ts';
import { extract } from './groups/extract.ts';
import { growth } from './groups/growth.ts';
import { idle } from './groups/idle.ts';
import { others } from './groups/others.ts';
import { slot } from './groups/slot.ts';
import { start } from './groups/start.ts';
import { update } from './groups/update.ts';

export const GROUPS: readonly Group[] = [
  build,
  extract,
  update,
  slot,
  delta,
  others,
  apply,
  download,
  start,
  idle,
  growth,
];
