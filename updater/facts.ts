/**
 * What states, events and effects are made of, and the one comparison that
 * decides whether a release stays. Pure, as `machine.ts` is.
 */

/** What a node can run. `digest` is the content digest: the same bytes have the same one. */
export interface Deployment {
  id: string;
  version: string;
  digest: string;
  /** Sequence of the manifest it came with. */
  sequence: number;
}

/** How a probe ended, worst first. */
export const RANKS = ['refused', 'error', 'wrong', 'healthy'] as const;
/** `refused`: no whole answer. `error`: a status other than 200. `wrong`: not what is installed. */
export type Rank = (typeof RANKS)[number];

/** A probe's result with its reason on one line. */
export interface Outcome {
  rank: Rank;
  reason: string;
}

/** Why a deployment may run: it passed, or the node was no better before it. */
export interface Proof extends Outcome {
  /** ISO time in UTC. */
  at: string;
  accepted: 'healthy' | 'no-worse';
}

/** What `current` points at. */
export interface Running {
  deployment: Deployment;
  /** ISO time in UTC at which it was found to run, after the switch to it. */
  since: string;
  proof?: Proof | undefined;
  /** What ran before it: where a rollback goes. */
  previous?: Deployment | undefined;
}

/** Where an activation stands; the marker holds it, and `rolling-back` besides. */
export type Phase = 'prepared' | 'switched' | 'restarted';

/** Whose fault a rollback is. A release at fault, or one an operator left, is quarantined. */
export type Blame = 'release' | 'node' | 'operator';

/** Processes that may try to reach a verdict; the next start rolls back without probing. */
export const MAX_ATTEMPTS = 3;

/** Why `outcome` is good enough given what was there before; undefined when it is not. */
export function acceptance(
  outcome: Outcome,
  baseline: Outcome | undefined,
): Proof['accepted'] | undefined {
  if (outcome.rank === 'healthy') return 'healthy';
  if (baseline === undefined || baseline.rank === 'healthy') return undefined;
  return RANKS.indexOf(outcome.rank) >= RANKS.indexOf(baseline.rank) ? 'no-worse' : undefined;
}
