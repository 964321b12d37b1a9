/**
 * The data that goes with a rollback: which snapshot was made before what is
 * left, and bringing it back when the release is left already. By an operator's
 * word only. A crash in here leaves services stopped that the next start
 * starts; the operator says it again, and it goes on.
 */
import { messageOf } from '@landfall/errors';
import { quiesce, unquiesce } from './effects/quiesce.ts';
import { restartServices } from './effects/services.ts';
import { restoreSnapshot } from './effects/snapshot.ts';
import type { Deployment } from './facts.ts';
import type { Host } from './host.ts';
import { readSnapshots, snapshotBefore, type SnapshotEntry } from './records/snapshot-file.ts';
import { canBringBack } from './services/snapshots.ts';

/** How an operator brings the data back after a rollback. */
export const RESTORE = "updater rollback --restore-snapshot --reason '…'";

/** The snapshot of `target`'s data that was made before `left` was switched to; undefined without one. */
export function findSnapshot(
  { paths, config }: Host,
  left: Deployment | undefined,
  target: Deployment | undefined,
): SnapshotEntry | undefined {
  const entry = snapshotBefore(readSnapshots(paths.snapshots), left?.id);
  const { snapshot } = config;
  if (entry === undefined || snapshot === undefined || !canBringBack(snapshot)) return undefined;
  return entry.of?.id === target?.id && entry.type === snapshot.type ? entry : undefined;
}

/** The snapshot to offer in the state that holds: what runs had it before the release that failed. */
export function snapshotOffered(host: Host): SnapshotEntry | undefined {
  const { state } = host.store;
  if (state.name !== 'rolled-back' && state.name !== 'degraded') return undefined;
  const entry = findSnapshot(host, state.failed, state.running?.deployment);
  return entry?.restored === undefined ? entry : undefined;
}

/** Brings `entry` back under what runs. Resolves to what went wrong, if something did. */
export async function restoreOnly(
  host: Host,
  { name }: SnapshotEntry,
): Promise<string | undefined> {
  let problem: string | undefined;
  try {
    await quiesce(host);
    await restoreSnapshot(host, { name, again: false });
  } catch (error) {
    problem = messageOf(error);
  }
  const restart = await restartServices(host, host.store.state.running?.deployment);
  const started = await unquiesce(host);
  return problem ?? restart?.reason ?? started;
}
