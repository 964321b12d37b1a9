/**
 * Where a file that was lost can be had: from another deployment on this disk
 * that has the same bytes, else from the artifact it came in, if a mirror still
 * has it. Whatever comes is checked against the digest that was signed. What is
 * fetched lies in a staging folder that the next start removes.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { crashPoint } from '@landfall/cli';
import { makeDirectoryDurably } from '@landfall/durable';
import { deploymentPath, listDeployments } from '../deployments.ts';
import { checkSpace } from '../effects/space.ts';
import { stageComponent } from '../effects/stage.ts';
import { STAGING_PREFIX } from '../effects/tidy.ts';
import type { Host } from '../host.ts';
import { openOwnMirrors } from '../own-mirrors.ts';
import { type Inventory, readInventory, toSelected } from '../records/inventory-file.ts';
import { entriesOf, type Expected } from './findings.ts';

/** Paths of files on this disk that should have the content of each of `wanted`, by SHA-256. */
export function findLocally(
  { paths, store }: Host,
  inventory: Inventory,
  wanted: readonly Expected[],
): Map<string, string[]> {
  const found = new Map<string, string[]>(wanted.map((each) => [each.sha256, []]));
  const own = { inventory, id: inventory.deployment.id };
  const others = listDeployments(paths).flatMap(({ id }) => {
    if (id === own.id) return [];
    const known = store.deployments.find((each) => each.deployment.id === id);
    const other = known && readInventory(paths, known.deployment);
    return other === undefined ? [] : [{ inventory: other, id }];
  });
  for (const { inventory: each, id } of [own, ...others.toReversed()]) {
    for (const { path, sha256, type } of entriesOf(each)) {
      if (type === 'file') found.get(sha256)?.push(join(deploymentPath(paths, id), path));
    }
  }
  return found;
}

/**
 * Fetches the components of `inventory` that hold one of `wanted` into a
 * staging folder, and returns it; the caller removes it. Throws what stands
 * against it: `MirrorError`, `UpdaterError` NO_SPACE, `ReleaseRefusal`.
 */
export async function fetchComponents(
  host: Host,
  inventory: Inventory,
  wanted: readonly Expected[],
): Promise<string> {
  const { paths, config } = host;
  const { deployment, components } = inventory;
  const needed = components.filter(({ name }) =>
    wanted.some(({ path }) => path === name || path.startsWith(`${name}/`)),
  );
  const selected = needed.flatMap((each) => toSelected(each) ?? []);
  checkSpace(paths, selected);
  makeDirectoryDurably(paths.downloads, 0o700);
  const staging = join(paths.deployments, `${STAGING_PREFIX}heal-${deployment.id}`);
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(staging, { mode: 0o700 });
  const mirrors = openOwnMirrors(config);
  for (const component of selected) {
    await stageComponent(host, { deployment, mirrors }, component, staging);
  }
  crashPoint('heal-fetched');
  return staging;
}
