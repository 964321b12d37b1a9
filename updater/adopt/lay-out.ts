/**
 * The copy that becomes a deployment. What is served is only read. A crash
 * before the last rename leaves a staging folder that the next start removes;
 * after it, a whole deployment that nothing points at.
 */
import { chmodSync, constants, copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { crashPoint } from '@landfall/cli';
import { makeDirectoryDurably, renameDurably, syncTree } from '@landfall/durable';
import { deploymentPath, findDamage, isDirectory } from '../deployments.ts';
import { removeDeployment, STAGING_PREFIX } from '../effects/tidy.ts';
import { findWebUser, gateAsWebUser } from '../effects/web-user.ts';
import { UpdaterError } from '../errors.ts';
import type { Host } from '../host.ts';
import { writeInventory } from '../records/inventory-file.ts';
import type { AdoptPlan } from './plan.ts';
import { readSource } from './source.ts';

/**
 * Copies what `plan` names into its deployment, with the modes of a release.
 * Throws `UpdaterError` ADOPTION when something was changed meanwhile, and
 * WEB_USER when the web server's user could not read it.
 */
export async function layOut(host: Host, plan: AdoptPlan): Promise<void> {
  const { paths } = host;
  const { deployment } = plan;
  const path = deploymentPath(paths, deployment.id);
  if (isDirectory(path) && findDamage(paths, deployment) === undefined) return;
  removeDeployment(host, deployment.id);
  makeDirectoryDurably(paths.deployments);
  const staging = join(paths.deployments, `${STAGING_PREFIX}adopt`);
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(staging);
  chmodSync(staging, 0o755);
  for (const component of plan.components) copyTo(staging, component);
  crashPoint('adopt-copied');
  const ui = join(staging, host.config.probe.component);
  await gateAsWebUser(host, ui, await findWebUser(host));
  await syncTree(staging);
  writeInventory(paths, plan);
  renameDurably(staging, path);
  crashPoint('adopt-laid-out');
  const damage = findDamage(paths, deployment);
  if (damage === undefined) return;
  removeDeployment(host, deployment.id);
  throw new UpdaterError('ADOPTION', `${plan.wish.source} changed while it was copied: ${damage}`, {
    hint: 'run it again; what keeps writing there must stop first',
  });
}

function copyTo(staging: string, component: AdoptPlan['components'][number]): void {
  const { name, kind, entries } = component;
  readSource(component, (read) => {
    for (const { path, type, mode } of entries) {
      const to = kind === 'file' ? join(staging, name) : join(staging, name, path);
      if (type === 'directory') mkdirSync(to);
      else read(path, (from) => copyFileSync(from, to, constants.COPYFILE_FICLONE));
      chmodSync(to, mode);
    }
  });
}
