/**
 * What may go: half-made deployments, old downloads, and deployments beyond the
 * last few. Never what runs, never where a rollback would go, never what the
 * marker names. A deployment is renamed before it is removed, so that a crash
 * in here leaves nothing that looks whole and is not.
 */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { crashPoint } from '@landfall/cli';
import { removeAllTemporaries, renameDurably } from '@landfall/durable';
import { deploymentPath, isDirectory } from '../deployments.ts';
import type { Host } from '../host.ts';
import { pruneInventories } from '../records/inventory-file.ts';
import { removeOldDownloads } from './downloads.ts';
import { readGolden } from '../records/golden-file.ts';
import { linkedDeployments } from '../self/links.ts';
import { findQuarantined } from '../records/quarantine-file.ts';

/** A deployment that is being extracted. */
export const STAGING_PREFIX = '.staging-';
/** A deployment that is being removed. */
const REMOVING_PREFIX = '.removing-';

/** Removes leftovers and old deployments. Returns the ids of the latter. */
export function tidy(host: Host): string[] {
  removeLeftovers(host);
  const gone = pickRemovable(host);
  for (const id of gone) removeDeployment(host, id);
  host.store.forgetDeployments(gone);
  // One that was deleted by hand keeps its inventory as long as it is remembered: it can be brought back.
  const known = new Set(host.store.deployments.map((each) => each.deployment.id));
  pruneInventories(host.paths, (id) => known.has(id));
  host.log.prune();
  return gone;
}

/**
 * What runs that died left behind, but for downloads that can be gone on with;
 * with `makeRoom`, those too. Nobody else is at work: the caller holds the lock.
 */
export function removeLeftovers({ paths }: Host, makeRoom = false): void {
  removeAllTemporaries(paths.root);
  // A hold may be begun just now, without the lock. What a crash of that left goes with the next one.
  removeAllTemporaries(paths.state, basename(paths.hold));
  for (const name of isDirectory(paths.deployments) ? readdirSync(paths.deployments) : []) {
    if (!name.startsWith(STAGING_PREFIX) && !name.startsWith(REMOVING_PREFIX)) continue;
    rmSync(join(paths.deployments, name), { recursive: true, force: true });
  }
  removeOldDownloads(paths, makeRoom);
}

/** Moves a deployment out of the way in one rename, then removes it. */
export function removeDeployment(host: Host, id: string): void {
  rmSync(moveAside(host, id), { recursive: true, force: true });
}

/**
 * Gives `made` the place of a deployment, whose old one may be all there is to go back to until
 * then. A crash between the two renames leaves none, and it is staged anew.
 */
export function replaceDeployment(host: Host, id: string, made: string): void {
  const aside = moveAside(host, id);
  crashPoint('stage-moved-aside');
  renameDurably(made, deploymentPath(host.paths, id));
  rmSync(aside, { recursive: true, force: true });
}

/** Where the deployment is now, if there was one. */
function moveAside({ paths }: Host, id: string): string {
  const from = deploymentPath(paths, id);
  const aside = join(paths.deployments, `${REMOVING_PREFIX}${id}`);
  rmSync(aside, { recursive: true, force: true });
  if (existsSync(from)) renameDurably(from, aside);
  return aside;
}

/** Recorded deployments that are neither protected nor among the `keep` newest that did not fail here. */
function pickRemovable({ config, paths, store }: Host): string[] {
  const { state, marker, current, quarantine } = store;
  const golden = readGolden(paths.golden);
  if (golden === 'corrupt') return [];
  const isKept = new Set<string | undefined>([
    state.running?.deployment.id,
    state.running?.previous?.id,
    marker?.from?.id,
    marker?.to.id,
    marker?.unusable?.id,
    current.kind === 'deployment' ? current.id : undefined,
    ...linkedDeployments(paths),
  ]);
  isKept.delete(undefined);
  const newestFirst = store.deployments.map((each) => each.deployment).toReversed();
  for (const deployment of newestFirst) {
    const { id } = deployment;
    if (isKept.size >= config.keep) break;
    const isThere = isDirectory(deploymentPath(paths, id));
    if (isThere && findQuarantined(quarantine, deployment) === undefined) isKept.add(id);
  }
  // Beside those that `keep` counts.
  isKept.add(golden?.deployment.id);
  return newestFirst.map((each) => each.id).filter((id) => !isKept.has(id));
}
