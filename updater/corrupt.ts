/** What a state file that makes no sense keeps from being done. Nothing here writes. */
import { UpdaterError } from './errors.ts';
import type { Host } from './host.ts';

/** Throws `UpdaterError` STATE_CORRUPT for the first state file that could not be understood. */
export function refuseCorrupt({ store, paths }: Host): void {
  const [first] = store.corrupt;
  if (first === undefined) return;
  throw new UpdaterError(
    'STATE_CORRUPT',
    `'${first.file}' was corrupt: ${first.reason}; nothing is changed, what runs keeps running`,
    {
      hint: `look at ${first.kept}, then move it out of ${paths.state}: as long as it lies there nothing is installed`,
    },
  );
}
