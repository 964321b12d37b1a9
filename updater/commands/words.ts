/** How states and results are told to people. */
import { ExitCode } from '@landfall/errors';
import type { Proof } from '../facts.ts';
import type { Settled } from '../machine.ts';
import { PACE_CODES, type Decline } from '../offer.ts';
import { describeHeld } from '../policy/judge.ts';
import type { UpdateResult } from '../update.ts';

/** One line about a state that holds. */
export function describeState(state: Settled): string {
  const version = state.running?.deployment.version;
  switch (state.name) {
    case 'idle':
      return version === undefined ? 'nothing is installed' : `${version} runs, never probed here`;
    case 'probation':
      return `${version} runs, in probation until ${state.until}: ${describeProof(state.running.proof)}`;
    case 'committed':
      return `${version} runs: ${describeProof(state.running.proof)}`;
    case 'rolled-back':
      return `rolled back from ${state.failed.version} to ${version ?? 'nothing, as it was'}: ${state.reason}`;
    default:
      return `degraded: ${version} runs and does not pass: ${state.reason}`;
  }
}

/** How it is known that what runs may run. */
export function describeProof(proof: Proof | undefined): string {
  if (proof === undefined) return 'not verified';
  return proof.accepted === 'healthy'
    ? proof.reason
    : `kept although not healthy, for the node was no better before: ${proof.reason}`;
}

export function declineLines({ reason, hint }: Pick<Decline, 'reason' | 'hint'>): string[] {
  return [`not installed: ${reason}`, ...(hint === undefined ? [] : [`  hint: ${hint}`])];
}

/** Up to date, and what only needs time, is no failure; a refused release is, and a hold to a person who asks. */
export function exitOfDecline({ code }: Pick<Decline, 'code'>, byHand = false): ExitCode {
  if (code === 'held') return byHand ? ExitCode.refused : ExitCode.done;
  const passes = ['up-to-date', 'in-probation', 'waiting', ...PACE_CODES].includes(code);
  return passes ? ExitCode.done : ExitCode.refused;
}

/** What became of an update: the lines, the data, the exit code. */
export function tellUpdate(
  result: UpdateResult,
  byHand = false,
): {
  lines: string[];
  data: Record<string, unknown>;
  exit: ExitCode;
} {
  const { outcome, state, decline, offer, problems, held } = result;
  const data = {
    outcome,
    version: offer?.deployment.version ?? null,
    decline: decline ?? null,
    held: held ?? null,
    state,
    mirrors: problems,
  };
  // A pause is never unnoticed: not by whoever reads what a timer printed either.
  const paused = held === undefined || decline?.code === 'held' ? [] : [describeHeld(held)];
  if (outcome !== 'declined' || decline === undefined) {
    const exit = outcome === 'kept' ? ExitCode.done : ExitCode.failed;
    return { lines: [describeState(state), ...paused], data, exit };
  }
  const lines = decline.code === 'up-to-date' ? [decline.reason] : declineLines(decline);
  return { lines: [...lines, ...paused], data, exit: exitOfDecline(decline, byHand) };
}
