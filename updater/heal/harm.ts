/**
 * Whether a deployment is of use, where that decides which one runs: a file that is not of the
 * release does it no harm. Reads all of it; changes nothing.
 */
import { deploymentPath, findDamage, isDirectory } from '../deployments.ts';
import type { Deployment } from '../facts.ts';
import type { Paths } from '../paths.ts';
import { readInventory } from '../records/inventory-file.ts';
import { entriesOf, lookAt } from './findings.ts';

const EVERYTHING = {
  checkedMs: undefined,
  suspects: new Set<string>(),
  fullFrom: '',
  budget: Number.POSITIVE_INFINITY,
};

/** Why something of `deployment` itself is missing or wrong; undefined when all of it is there. */
export function findHarm(paths: Paths, deployment: Deployment): string | undefined {
  const damage = findDamage(paths, deployment);
  const directory = deploymentPath(paths, deployment.id);
  if (damage === undefined || !isDirectory(directory)) return damage;
  const inventory = readInventory(paths, deployment);
  if (inventory === undefined) return damage;
  const { findings } = lookAt(directory, entriesOf(inventory), EVERYTHING);
  return findings.every(({ kind }) => kind === 'extra') ? undefined : damage;
}
