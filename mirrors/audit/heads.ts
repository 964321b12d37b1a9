/** Whether what mirrors say need not be asked for again is so. */
import { withoutName } from '../errors.ts';
import type { Mirror } from '../mirror.ts';
import { problemOfHead } from '../served-head.ts';
import type { Finding, Fixes } from './finding.ts';

/** Findings of all mirrors about the heads of their indexes. */
export async function auditHeads(
  mirrors: readonly Mirror[],
  channels: readonly (string | undefined)[],
  fixes: Fixes,
  signal?: AbortSignal,
): Promise<Finding[]> {
  const given = signal === undefined ? {} : { signal };
  const each = await Promise.all(
    mirrors.map(async (mirror): Promise<Finding[]> => {
      const problem = await problemOfHead(mirror, channels, given);
      if (problem === undefined) return [];
      const { name } = mirror;
      const message = withoutName(problem.message, name);
      return [
        { mirror: name, code: 'HEAD_WRONG', severity: 'error', message, fix: fixes.sync(name) },
      ];
    }),
  );
  return each.flat();
}
