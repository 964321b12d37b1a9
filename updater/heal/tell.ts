/** What a look found and did: to whoever watches, into the journal, and into `heal.json`. */
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
  const { repaired, problems, deployment } = report;
  const { version } = deployment;
  const file: HealFile = { ...after, problems };
  try {
    if (repaired.length > 0) {
      const what = describePaths(repaired);
      host.note(`${version}: restored ${what}`);
      file.last = { at: timestamp(), what };
      const paths = repaired.slice(0, MAX_LINES);
      host.journal.append({
        at: timestamp(),
        heal: 'restored',
        version,
        count: repaired.length,
        paths,
      });
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

/** `'a', 'b', 'c' and 4 more`. */
export function describePaths(paths: readonly string[]): string {
  const first = paths.slice(0, 3).map((path) => `'${path}'`);
  const more = paths.length - first.length;
  return more > 0 ? `${first.join(', ')} and ${more} more` : first.join(', ');
}
