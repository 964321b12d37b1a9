/** How states and results are told to people. */
import { ExitCode } from '@landfall/errors';
import type { Halted } from '@landfall/manifest';
import type { Deployment, Outcome, Proof } from '../facts.ts';
import type { Settled } from '../machine.ts';
import { describeHalted, PACE_CODES, type Decline } from '../offer.ts';
import type { Golden } from '../records/golden-file.ts';
import { describeHeld } from '../policy/judge.ts';
import { time } from '../status/rows.ts';
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
    case 'rolled-back': {
      const to = version ?? 'nothing, as it was';
      return `rolled back from ${state.failed.version} to ${to}${lastResort(state)}: ${state.reason}`;
    }
    default:
      return `degraded: ${version}${lastResort(state)} runs and does not pass: ${state.reason}`;
  }
}

/** That what runs is the golden deployment, where it is. */
export function lastResort({ golden }: { golden?: boolean | undefined }): string {
  return golden === true ? ' (the golden deployment, as the last resort)' : '';
}

/** What is pinned as the last resort, and whether it could be gone to. `damage`: why it is not whole. */
export function describeGolden(golden: Golden | 'corrupt' | undefined, damage?: string): string[] {
  if (golden === undefined) {
    return [
      "no deployment is the last resort: 'updater golden VERSION' pins one that is kept here",
    ];
  }
  if (golden === 'corrupt') {
    return [
      "golden.json makes no sense, so nothing is tidied: 'updater golden VERSION' writes it anew",
    ];
  }
  const { deployment, at } = golden;
  const pinned = `${deployment.version} (${deployment.id}) is the last resort, pinned ${at}`;
  return damage === undefined
    ? [`${pinned}; it is whole`]
    : [`${pinned}; it could not be gone to: ${damage}`];
}

/** How it is known that what runs may run, and when that was seen. */
export function describeProof(proof: Proof | undefined): string {
  if (proof === undefined) return 'not verified';
  const seen = `${proof.reason}, as of ${time(proof.at)}`;
  return proof.accepted === 'healthy'
    ? seen
    : `kept although not healthy, for the node was no better before: ${seen}`;
}

/** What a probe of `deployment`, which runs, found just now, and what to do about it. */
export function probeLines({ version }: Deployment, { rank, reason }: Outcome): string[] {
  if (rank === 'healthy') return [`${version} runs and passes: ${reason}`];
  return [
    `${version} runs and does not pass: ${reason}`,
    "  hint: look at the web server, its services and [probe]; nothing goes back by itself for that: 'updater rollback --reason …' does",
  ];
}

/** Why nothing is installed; in a second line what to do about it, where that is known. */
export function declineLines({ reason, hint }: Pick<Decline, 'reason' | 'hint'>): string[] {
  return [`not installed: ${reason}`, ...(hint === undefined ? [] : [`  hint: ${hint}`])];
}

/** Up to date, and what only needs time, is no failure; a refused release is, and to a person who asks a hold, a turn to come or a probation. */
export function exitOfDecline({ code }: Pick<Decline, 'code'>, byHand = false): ExitCode {
  if (code === 'held' || code === 'waiting-rollout' || code === 'in-probation') {
    return byHand ? ExitCode.refused : ExitCode.done;
  }
  const passes = ['up-to-date', 'runs-already', 'waiting', ...PACE_CODES].includes(code);
  return passes ? ExitCode.done : ExitCode.refused;
}

/** That what runs was halted. */
export function haltedWords(halted: Halted): string {
  return `what runs is halted, and stays: ${describeHalted(halted)}`;
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
  const { outcome, state, decline, offer, problems, warnings, held, halted } = result;
  const data = {
    outcome,
    version: offer?.deployment.version ?? null,
    decline: decline ?? null,
    held: held ?? null,
    halted: halted ?? null,
    state,
    mirrors: problems,
    warnings,
  };
  // A pause is never unnoticed: not by whoever reads what a timer printed either.
  const paused = [
    ...(halted === undefined ? [] : [haltedWords(halted)]),
    ...(held === undefined || decline?.code === 'held' ? [] : [describeHeld(held)]),
  ];
  if (outcome !== 'declined' || decline === undefined) {
    const exit = outcome === 'kept' ? ExitCode.done : ExitCode.failed;
    return { lines: [describeState(state), ...paused], data, exit };
  }
  const lines = decline.code === 'up-to-date' ? [decline.reason] : declineLines(decline);
  return { lines: [...lines, ...paused], data, exit: exitOfDecline(decline, byHand) };
}
