/** How the updater itself is told of, in `status`. */
import type { Host } from '../host.ts';
import { readCandidates } from '../records/updater-file.ts';
import { UPDATER_VERSION } from '../version.ts';
import { readUpdaterLink, type UpdaterLink } from './links.ts';

/** What `status --json` says of it. */
export interface UpdaterFacts {
  version: string;
  /** Where `<root>/updater` leads; null where there is none, or no link. */
  link: string | null;
  /** Present until the new one has done its work once. */
  previous: string | null;
  /** The last one that was tried and did not take over. */
  refused: { release: string; at: string; reason: string } | null;
}

/** Read from the links and `updater.json`; a corrupt one names nobody as refused. */
export function updaterFacts({ paths }: Host): UpdaterFacts {
  const known = readCandidates(paths.updaterFile);
  const last = known.state === 'ok' ? known.value.at(-1) : undefined;
  return {
    version: UPDATER_VERSION,
    link: targetOf(readUpdaterLink(paths, paths.updater)),
    previous: targetOf(readUpdaterLink(paths, paths.previousUpdater)),
    refused:
      last === undefined || last.outcome === 'took-over'
        ? null
        : { release: last.release, at: last.at, reason: last.reason ?? 'its proof did not end' },
  };
}

/** The same for people, on one line. */
export function describeUpdater({ version, previous, refused }: UpdaterFacts): string {
  const words = [version];
  if (previous !== null) words.push('took over and has still to do its work once');
  if (refused !== null) {
    words.push(`that of ${refused.release} stays out since ${refused.at}: ${refused.reason}`);
  }
  return words.join('; ');
}

function targetOf(link: UpdaterLink | 'foreign' | undefined): string | null {
  return link === undefined || link === 'foreign' ? null : link.target;
}
