/**
 * Releases that go out in steps: whether it is this node's turn. Nothing here
 * changes anything.
 *
 * A node's place is a number that nobody chooses: a hash of its id and of the
 * release, so that other nodes come first with each release. Looking again, or
 * the same content published again, does not change it; a step only adds nodes.
 */
import { createHash } from 'node:crypto';
import { messageOf, OtaError } from '@landfall/errors';
import { parseRolloutSteps, type RolloutStep } from '@landfall/manifest';
import type { Host } from '../host.ts';
import { timeFor } from '../freshness.ts';
import { indexOf, leavesWithdrawn, type Decline, type Offer, type Wish } from '../offer.ts';
import { readNodeId } from '../records/node-id-file.ts';
import { untilWords } from './judge.ts';

/** What is released, and where. */
export interface Placed {
  app: string;
  channel: string;
  /** The release's content digest, in hex. */
  digest: string;
}

/** The place of the node with this id: from 0 up to, not including, 100. */
export function placeOf(node: string, { app, channel, digest }: Placed): number {
  const hash = createHash('sha256').update(`${node}\n${app}\n${channel}\n${digest}`).digest();
  return (hash.readUIntBE(0, 6) / 2 ** 48) * 100;
}

/**
 * Why `offer` is not taken now because of the steps in which it goes out;
 * undefined when it is. An operator who names the version is not bound by
 * them, and what was withdrawn is left without waiting for one's turn.
 */
export function judgeRollout(
  { config, store, paths }: Pick<Host, 'config' | 'store' | 'paths'>,
  offer: Offer,
  wish: Wish,
  clock: Date = new Date(),
): Decline | undefined {
  const { manifest } = offer.verified;
  if (wish.version !== undefined) return undefined;
  const steps = readSteps(manifest.rollout.steps);
  const hint = `to take it now: 'updater apply ${manifest.version}'`;
  if (!Array.isArray(steps)) {
    const { reason, advice } = steps;
    return { code: 'rollout-unreadable', reason, hint: `${advice}; ${hint}` };
  }
  if (steps.length === 0) return undefined;
  if (leavesWithdrawn(offer, store.state.running?.deployment)) return undefined;
  const node = readNodeId(paths.nodeId);
  if (node === undefined) {
    const reason = 'it goes out in steps, and this node gets its place with its first check';
    return { code: 'waiting-rollout', reason, hint: "'updater once' is one; " + hint };
  }
  if (node === 'corrupt') {
    const reason = `it goes out in steps, and '${paths.nodeId}' makes no sense, so this node has no place`;
    return { code: 'rollout-unreadable', reason, hint: `remove it for a new one; ${hint}` };
  }
  const { app, channel } = manifest;
  // A clock that lies before what was signed already is not waited for.
  const { now } = timeFor(store.floors, indexOf(config), offer.verified, clock);
  return judgeSteps(
    steps,
    placeOf(node.id, { app, channel, digest: offer.deployment.digest }),
    now,
    hint,
  );
}

function judgeSteps(
  steps: readonly RolloutStep[],
  place: number,
  now: Date,
  hint: string,
): Decline | undefined {
  const code = 'waiting-rollout';
  const step = steps.find(({ percent }) => place < percent);
  // Cut, not rounded: 9.99 is not said to be 10, which would be another step's.
  const mine = `it goes out in steps, and this node's place is ${Math.floor(place * 10) / 10} of 100`;
  if (step === undefined) {
    return { code, reason: `${mine}: ${steps.at(-1)?.percent} is the last step so far`, hint };
  }
  const due = new Date(step.at);
  if (due <= now) return undefined;
  return { code, reason: `${mine}: ${untilWords(due, now)}`, until: due.toISOString(), hint };
}

function readSteps(unchecked: unknown): RolloutStep[] | { reason: string; advice: string } {
  try {
    return parseRolloutSteps(unchecked);
  } catch (error) {
    if (!(error instanceof OtaError)) throw error;
    return { reason: messageOf(error), advice: error.hint ?? 'ask the maintainer' };
  }
}
