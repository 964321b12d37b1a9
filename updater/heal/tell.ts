/** What a look found and did: to whoever watches, into the journal, and into `heal.json`. */
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '@landfall/errors';
import { timestamp, type Host } from '../host.ts';
import { type HealFile, writeHealFile } from '../records/heal-file.ts';
import { MAX_REPAIRS } from './bounds.ts';
import type { Finding } from './findings.ts';
import type { HealReport } from './heal.ts';

const MAX_LINES = 20;

/** One line for each finding that stays, and a count of what is beyond the first few. */
export function describeProblems(
  found: readonly Finding[],
  failed: ReadonlyMap<string, string>,
  { leftAlone }: HealFile,
  extra: 'aside' | 'report',
): string[] {
  const lines = found.slice(0, MAX_LINES).map(({ path, kind, what }) => {
    const why = failed.get(path);
    if (leftAlone[path] !== undefined) {
      return `'${path}' ${what} again, after ${MAX_REPAIRS} repairs within an hour: left alone for a day; find out who changes it, then run 'updater heal'`;
    }
    if (why !== undefined) return `'${path}' ${what}: ${why}`;
    const left = kind === 'extra' && extra === 'report' ? ': left there, as configured' : '';
    return `'${path}' ${what}${left}`;
  });
  const more = found.length - lines.length;
  return more > 0 ? [...lines, `and ${more} more`] : lines;
}

/** Tells what is new, and writes it down. A disk that does not take it does not undo a repair. */
export function remember(host: Host, report: HealReport, before: HealFile, after: HealFile): void {
  const { problems, deployment } = report;
  const { version } = deployment;
  const file: HealFile = { ...after, problems };
  try {
    for (const told of sortRepairs(report)) {
      const { heal, paths, aside } = told;
      host.note(`${version}: ${describeRepair(told)}`);
      const at = timestamp();
      if (heal === 'restored') file.last = { at, what: describePaths(paths) };
      const named = paths.slice(0, MAX_LINES);
      host.journal.append({ at, heal, version, count: paths.length, paths: named, aside });
    }
    if (problems.join('\n') !== before.problems.join('\n')) {
      for (const problem of problems)
        host.note(`${version} is not as it was installed: ${problem}`);
      host.journal.append(
        problems.length === 0
          ? { at: timestamp(), heal: 'whole', version }
          : { at: timestamp(), alarm: 'not as installed', version, reason: problems.join('; ') },
      );
    }
    if (JSON.stringify(file) !== JSON.stringify(before)) writeHealFile(host.paths.healFile, file);
  } catch (error) {
    host.note(`going on without it: ${messageOf(error)}`);
  }
}

/** Repairs of one kind, and where what stood there is kept, if it is. */
interface Repair {
  heal: 'restored' | 'moved aside' | 'removed';
  paths: string[];
  aside: string | undefined;
}

/** What was done to each path: what is foreign was moved away, but for what a write of ours left. */
function sortRepairs({ repaired, foreign, aside }: HealReport): Repair[] {
  const paths = [...new Set(repaired)];
  const isKept = (path: string): boolean => {
    if (aside === undefined) return false;
    const kept = lstatSync(join(aside, path), { throwIfNoEntry: false });
    // A folder is made there as well for what was below it.
    const isParent = kept?.isDirectory() && paths.some((each) => each.startsWith(`${path}/`));
    return kept !== undefined && isParent !== true;
  };
  const restored = paths.filter((path) => !foreign.includes(path));
  const moved = foreign.filter((path) => isKept(path));
  const removed = foreign.filter((path) => !moved.includes(path));
  const repairs: Repair[] = [
    { heal: 'restored', paths: restored, aside: restored.some(isKept) ? aside : undefined },
    { heal: 'moved aside', paths: moved, aside },
    { heal: 'removed', paths: removed, aside: undefined },
  ];
  return repairs.filter((each) => each.paths.length > 0);
}

function describeRepair({ heal, paths, aside }: Repair): string {
  const what = describePaths(paths);
  switch (heal) {
    case 'restored':
      return `restored ${what}${aside === undefined ? '' : `; what was there is in ${aside}`}`;
    case 'moved aside':
      return `not of this release, and moved to ${aside}: ${what}`;
    default:
      return `removed ${what}: left by a write that was cut off`;
  }
}

/** `'a', 'b', 'c' and 4 more`. */
export function describePaths(paths: readonly string[]): string {
  const first = paths.slice(0, 3).map((path) => `'${path}'`);
  const more = paths.length - first.length;
  return more > 0 ? `${first.join(', ')} and ${more} more` : first.join(', ');
}
