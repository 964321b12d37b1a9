/**
 * Whether mirrors serve what is halted: the halt file of the highest serial
 * that any of them shows. What a mirror does is a problem of it, never thrown.
 */
import type { OtaError } from '@landfall/errors';
import { TrustError } from '@landfall/trust';
import { MirrorError, withoutName } from './errors.ts';
import { highestHalts, type HaltRow, serialOf, type SignedHalt } from './signed-halt.ts';

/** What one mirror's halt file lacks, given all; undefined when it is right. A mirror that cannot be asked is found out otherwise. */
export function problemOfHalt(
  { mirror: { name }, halt, problem }: HaltRow,
  rows: readonly HaltRow[],
): OtaError | undefined {
  const highest = highestHalts(rows);
  const hint =
    problem === undefined || highest.length > 0
      ? `complete it from the others: mirrors sync --to ${name}`
      : 'where releases are signed: release halt --renew';
  if (problem !== undefined) {
    if (isAway(problem)) return undefined;
    const why = withoutName(problem.message, name);
    const message = `its halt file cannot be believed, so nodes take nothing from it: ${why}`;
    return new MirrorError('BAD_ANSWER', name, message, { hint, cause: problem });
  }
  const [first] = highest;
  if (first === undefined) return undefined;
  const found = halt === undefined ? 0 : serialOf(halt);
  if (found < serialOf(first)) {
    const what = found === 0 ? 'none' : `serial ${found}`;
    const message = `is behind with what is halted: expected serial ${serialOf(first)}, found ${what}`;
    return new MirrorError('NOT_FOUND', name, message, { hint });
  }
  return highest.length > 1 ? tornHalts(highest) : undefined;
}

/** Two valid halt files of one serial. */
export function tornHalts([first, ...others]: readonly SignedHalt[]): TrustError {
  const serial = first === undefined ? 0 : serialOf(first);
  return new TrustError(
    'EQUIVOCATION',
    `${others.length + 1} different halt files have serial ${serial}, all validly signed`,
    {
      hint: "find out who signed which; the next 'release halt' or 'release resume' takes their place",
    },
  );
}

function isAway({ code }: OtaError): boolean {
  return ['UNREACHABLE', 'TIMEOUT', 'TOO_SLOW', 'FORBIDDEN', 'UNAUTHORIZED'].includes(code);
}
