/**
 * Rolling back by hand: to what ran before, or to a deployment that is still
 * on the disk. What is left is quarantined, or the next check would take it
 * again. Allowed also while a state file is corrupt: it is how to get out.
 */
import { deploymentPath, isDirectory } from './deployments.ts';
import { messageOf } from '@landfall/errors';
import { startLeftStopped } from './effects/quiesce.ts';
import type { Deployment } from './facts.ts';
import { findHarm } from './heal/harm.ts';
import type { Host } from './host.ts';
import type { Settled } from './machine.ts';
import { refuseUnfinishedAdoption } from './records/adoption-file.ts';
import { findQuarantined } from './records/quarantine-file.ts';
import { readSnapshots } from './records/snapshot-file.ts';
import { findSnapshot, restoreOnly, snapshotOffered } from './restore.ts';
import { drive } from './runner.ts';
import { asSettled, begin, resume } from './settle.ts';
import { liftQuarantine } from './update.ts';

/** What the operator asked for, and why: `reason` is written down. */
export interface RollbackWish {
  /** A version, or the id of a deployment; what ran before unless told. */
  to?: string | undefined;
  reason: string;
  liftQuarantine: boolean;
  /** The data as it was before what is left was installed, too. */
  restoreSnapshot?: boolean;
}

/** Why it is not rolled back, in words for an operator. */
export interface RollbackDecline {
  code: 'nothing-runs' | 'no-target' | 'damaged' | 'quarantined' | 'no-snapshot';
  reason: string;
  hint?: string;
}

/** What became of it; `state` is what holds now. `problem`: why the data is not back. */
export type RollbackResult =
  | { outcome: 'declined'; decline: RollbackDecline }
  /** An earlier run had left a rollback to finish, and that was it. */
  | { outcome: 'finished'; state: Settled }
  | {
      outcome: 'done';
      state: Settled;
      left: Deployment;
      target: Deployment;
      /** The snapshot of the data from before `left`, and whether it is back. */
      snapshot?: string | undefined;
      restored?: boolean;
      problem?: string | undefined;
    }
  /** The release was left before; now the data is as it was, too, unless there is a problem. */
  | { outcome: 'data-restored'; state: Settled; snapshot: string; problem: string | undefined };

/** Rolls back. Throws what the disk refuses; the marker then stays for the next start. */
export async function rollBack(host: Host, wish: RollbackWish): Promise<RollbackResult> {
  refuseUnfinishedAdoption(host.paths);
  const { marker } = begin(host);
  if (marker !== undefined) {
    const { state: finished, left } = await resume(host, marker);
    const reached = finished.running?.deployment;
    const isThere = wish.to === undefined || (reached !== undefined && isMeant(reached, wish.to));
    if (left !== undefined && isThere) return { outcome: 'finished', state: finished };
  } else {
    await startLeftStopped(host);
  }
  const { state } = host.store;
  const wanted = wish.restoreSnapshot === true;
  const data = wanted && wish.to === undefined ? snapshotOffered(host) : undefined;
  if (data !== undefined) {
    const problem = await restoreOnly(host, data);
    return { outcome: 'data-restored', state, snapshot: data.name, problem };
  }
  const target = pickTarget(host, wish);
  if ('code' in target) return { outcome: 'declined', decline: target };
  if (wish.liftQuarantine) liftQuarantine(host, target, target.version);
  const left = state.running?.deployment ?? target;
  host.note(`rolling back from ${left.version} to ${target.version}`);
  const reason = `rolled back by hand: ${wish.reason}`;
  const snapshot = findSnapshot(host, left, target)?.name;
  const restore = wanted ? snapshot : undefined;
  const result = await drive(host, state, { name: 'rollback-asked', to: target, reason, restore });
  if (result.refused !== undefined) {
    return { outcome: 'declined', decline: { code: 'no-target', reason: result.refused } };
  }
  const restored = restore !== undefined && isRestored(host, restore);
  const isAmiss = restore !== undefined && !restored;
  const problem = isAmiss ? messageOf(result.error ?? 'the data was not brought back') : undefined;
  return {
    outcome: 'done',
    state: asSettled(result.state),
    left,
    target,
    snapshot,
    restored,
    problem,
  };
}

/** Where a rollback would go, whole on the disk, or why there is nowhere. Changes nothing. */
export function pickTarget(host: Host, wish: RollbackWish): Deployment | RollbackDecline {
  const { store, paths } = host;
  const { running } = store.state;
  if (running === undefined) {
    return { code: 'nothing-runs', reason: 'nothing runs that could be rolled back' };
  }
  const isThere = ({ id }: Deployment): boolean => isDirectory(deploymentPath(paths, id));
  const others = store.deployments
    .map((each) => each.deployment)
    .filter((each) => each.id !== running.deployment.id && isThere(each))
    .toReversed();
  const target =
    wish.to === undefined
      ? pickPrevious(host, others)
      : others.find((each) => isMeant(each, wish.to));
  if (target === undefined) return declineTarget(host, wish.to, others);
  const quarantined = findQuarantined(store.quarantine, target);
  if (quarantined !== undefined && !wish.liftQuarantine) {
    return {
      code: 'quarantined',
      reason: `${target.version} is quarantined here since ${quarantined.at}: ${quarantined.reason}`,
      hint: 'to go back to it all the same, add --lift-quarantine',
    };
  }
  const damage = findHarm(paths, target);
  if (damage !== undefined) return { code: 'damaged', reason: damage };
  const isMissing = findSnapshot(host, running.deployment, target) === undefined;
  if (wish.restoreSnapshot !== true || !isMissing) return target;
  return {
    code: 'no-snapshot',
    reason: `there is no snapshot of ${target.version}'s data from before ${running.deployment.version}`,
    hint: "'updater status' shows what snapshots there are; without --restore-snapshot the data stays as it is",
  };
}

function isMeant({ version, id }: Deployment, to: string | undefined): boolean {
  return version === to || id === to;
}

function isRestored({ paths }: Host, name: string): boolean {
  return readSnapshots(paths.snapshots).some((each) => each.name === name && each.restored);
}

/** What ran before; else the newest that was verified here. Never what failed here. */
function pickPrevious({ store }: Host, others: readonly Deployment[]): Deployment | undefined {
  const good = others.filter((each) => !findQuarantined(store.quarantine, each));
  const { previous } = store.state.running ?? {};
  const verified = new Set(
    store.deployments.filter((each) => each.verified).map((each) => each.deployment.id),
  );
  return (
    good.find((each) => each.id === previous?.id) ?? good.find((each) => verified.has(each.id))
  );
}

/** Without `state.json` nobody knows any more what passed here: an operator may, and names it. */
function declineTarget(
  { store }: Host,
  wanted: string | undefined,
  others: readonly Deployment[],
): RollbackDecline {
  const kept = others.map((each) => each.version).join(', ');
  const listed =
    kept === '' ? 'no other release is kept on this node' : `kept on this node: ${kept}`;
  if (wanted !== undefined) {
    const { version, id } = store.state.running?.deployment ?? {};
    const what = wanted === version || wanted === id ? 'runs already' : 'is not on the disk';
    return { code: 'no-target', reason: `${wanted} ${what}`, hint: listed };
  }
  // Where that is known, what is left never passed: nobody is sent there.
  const isKnown = store.deployments.some((each) => each.verified !== undefined);
  const nameable = isKnown
    ? undefined
    : others.find((each) => !findQuarantined(store.quarantine, each));
  const command = `'updater rollback --to ${nameable?.version} --reason …'`;
  return {
    code: 'no-target',
    reason:
      'there is nothing to roll back to: no other release on the disk is known to have passed here',
    hint: nameable === undefined ? listed : `${listed}; ${command} goes to that one all the same`,
  };
}
