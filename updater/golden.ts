/**
 * The golden deployment: pinned by an operator, kept whole on the disk, and
 * where the node goes when nothing else is of use. Nothing here decides that
 * it goes; the file changes in one rename.
 */
import { lstatSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { crashPoint } from '@landfall/cli';
import { copyFileDurably } from '@landfall/durable';
import { deploymentPath, isDirectory, listDeployments } from './deployments.ts';
import type { Deployment } from './facts.ts';
import { timestamp, type Host } from './host.ts';
import { findHarm } from './heal/harm.ts';
import type { Event, Settled } from './machine.ts';
import { readGolden, writeGolden } from './records/golden-file.ts';
import { findQuarantined } from './records/quarantine-file.ts';

/** Why a deployment cannot be pinned, in words for an operator. */
export interface GoldenDecline {
  code: 'not-kept' | 'not-verified' | 'quarantined' | 'damaged';
  reason: string;
  hint?: string;
}

/** The deployment of `version` (or of that id) that can be pinned, or why there is none. Changes nothing. */
export function pickGolden({ store, paths }: Host, version: string): Deployment | GoldenDecline {
  const kept = store.deployments.filter(({ deployment }) =>
    isDirectory(deploymentPath(paths, deployment.id)),
  );
  const found = kept.findLast(
    ({ deployment }) => deployment.version === version || deployment.id === version,
  );
  if (found === undefined) {
    const names = kept.map(({ deployment }) => deployment.version).join(', ');
    return {
      code: 'not-kept',
      reason: `${version} is not on the disk`,
      hint: names === '' ? 'no release is kept on this node' : `kept on this node: ${names}`,
    };
  }
  const { deployment, verified } = found;
  if (verified === undefined) {
    return { code: 'not-verified', reason: `${version} never passed a probe on this node` };
  }
  const quarantined = findQuarantined(store.quarantine, deployment);
  if (quarantined !== undefined) {
    const { at, reason } = quarantined;
    return {
      code: 'quarantined',
      reason: `${version} is quarantined here since ${at}: ${reason}`,
    };
  }
  const damage = findHarm(paths, deployment);
  return damage === undefined ? deployment : { code: 'damaged', reason: damage };
}

/**
 * Pins `deployment`, or nothing (undefined), and writes it down. First it gets
 * its bytes to itself. Throws `DurableError`; nothing is pinned anew then.
 */
export function pinGolden(host: Host, deployment: Deployment | undefined): void {
  const { paths, journal } = host;
  if (deployment !== undefined) unshare(host, deployment);
  const at = timestamp();
  writeGolden(paths.golden, deployment, at);
  journal.append({ at, golden: deployment?.id ?? null, version: deployment?.version });
}

/** Files of a deployment that have other names become files of their own, each in one rename. */
function unshare(host: Host, { id }: Deployment): void {
  const directory = deploymentPath(host.paths, id);
  const programs = programsRunFrom(host, id);
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const { mode, nlink, dev, ino } = lstatSync(path);
    if (!entry.isFile() || nlink === 1) continue;
    const name = relative(directory, path);
    const others = programs.has(name) ? othersNamed(host, id, name) : [path];
    for (const place of others) {
      const found = lstatSync(place, { throwIfNoEntry: false });
      if (found?.dev !== dev || found.ino !== ino) continue;
      copyFileDurably(path, place, { mode: mode & 0o7777 });
      crashPoint('golden-unshared');
    }
  }
}

/** Programs that services run from the deployment `id`: theirs stays the file that it is, or they would not run it any more. */
function programsRunFrom({ config, store: { current } }: Host, id: string): Set<string> {
  const runs = current.kind === 'deployment' && current.id === id;
  return new Set(runs ? config.services.flatMap(({ component }) => component ?? []) : []);
}

/** Where other deployments have the component `name`: a program is shared under no other name. */
function othersNamed({ paths }: Host, id: string, name: string): string[] {
  const others = listDeployments(paths).filter((each) => each.id !== id);
  return others.map((each) => join(deploymentPath(paths, each.id), name));
}

/** The pinned deployment, if it can be gone to: whole, not known to be bad, and none of `beside`. */
export function findGolden(
  { paths, store }: Host,
  beside: readonly string[],
): Deployment | undefined {
  const golden = readGolden(paths.golden);
  if (golden === undefined || golden === 'corrupt') return undefined;
  const { deployment } = golden;
  if (beside.includes(deployment.id)) return undefined;
  const isBad = findQuarantined(store.quarantine, deployment) !== undefined;
  return isBad || findHarm(paths, deployment) !== undefined ? undefined : deployment;
}

/**
 * The event that takes a node at rest to its golden deployment: what runs does
 * not pass and there is nothing better (`degraded`), or it is damaged and so is
 * what ran before. Undefined as long as there is another way.
 */
export function judgeLastResort(
  host: Host,
  state: Settled,
): (Event & { name: 'last-resort' }) | undefined {
  const { running } = state;
  if (running === undefined || readGolden(host.paths.golden) === undefined) return undefined;
  if ('golden' in state && state.golden === true) return undefined;
  const reason = state.name === 'degraded' ? state.reason : findBothDamaged(host, running);
  if (reason === undefined) return undefined;
  const to = findGolden(host, [running.deployment.id]);
  return to && { name: 'last-resort', to, reason, at: timestamp() };
}

function findBothDamaged(
  { paths }: Host,
  { deployment, previous }: NonNullable<Settled['running']>,
): string | undefined {
  const harm = findHarm(paths, deployment);
  const isAlone = previous === undefined || findHarm(paths, previous) !== undefined;
  return isAlone ? harm : undefined;
}
