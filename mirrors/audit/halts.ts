/** Whether every mirror serves what is halted, and nobody serves something else of that serial. */
import { TrustError } from '@landfall/trust';
import { withoutName } from '../errors.ts';
import type { Mirror } from '../mirror.ts';
import { problemOfHalt } from '../served-halts.ts';
import { type HaltOptions, highestHalts, surveyHalts } from '../signed-halt.ts';
import type { Finding, Fixes } from './finding.ts';

/** Findings of all mirrors about one channel. */
export async function auditHalts(
  mirrors: readonly Mirror[],
  options: HaltOptions,
  fixes: Fixes,
): Promise<Finding[]> {
  const rows = await surveyHalts(mirrors, options);
  return rows.flatMap((row): Finding[] => {
    const { name } = row.mirror;
    const problem = problemOfHalt(row, rows);
    if (problem === undefined) return [];
    const message = withoutName(problem.message, name);
    if (problem instanceof TrustError) {
      const fix = fixes.lookCloser();
      return [{ mirror: name, code: 'HALT_EQUIVOCATION', severity: 'alarm', message, fix }];
    }
    if (problem.code === 'NOT_FOUND') {
      return [
        { mirror: name, code: 'HALT_STALE', severity: 'error', message, fix: fixes.sync(name) },
      ];
    }
    // Only who has the keys can repair what no mirror has right.
    const isElsewhere = highestHalts(rows).length > 0;
    const fix = isElsewhere ? fixes.sync(name) : fixes.renewHalt(options.channel);
    return [{ mirror: name, code: 'HALT_INVALID', severity: 'error', message, fix }];
  });
}
