/**
 * The switch: one rename of one symlink, for every component at once. A crash
 * before the rename leaves the old link, after it the new one; never none, and
 * never one that leads nowhere.
 */
import { readlinkSync } from 'node:fs';
import { removeDurably, replaceSymlinkDurably, syncDirectory } from '@landfall/durable';
import { deploymentPath, isDirectory, linkTarget, readCurrent } from '../deployments.ts';
import { UpdaterError } from '../errors.ts';
import type { Deployment } from '../facts.ts';
import type { Paths } from '../paths.ts';

/**
 * Points `current` at `to`, or removes it (undefined: the node was empty
 * before). Throws `UpdaterError` DEPLOYMENT when `to` is not on the disk.
 */
export function switchCurrent(paths: Paths, to: Pick<Deployment, 'id'> | undefined): void {
  if (to === undefined) {
    removeDurably(paths.current);
    return;
  }
  if (!isDirectory(deploymentPath(paths, to.id))) {
    throw new UpdaterError('DEPLOYMENT', `deployment '${to.id}' is not on the disk any more`, {
      hint: `expected it in ${paths.deployments}; install a release with 'updater apply'`,
    });
  }
  const target = linkTarget(paths, to.id);
  if (readCurrent(paths).kind === 'deployment' && readlinkSync(paths.current) === target) {
    // It is there, perhaps by a rename that a crash kept from the disk.
    syncDirectory(paths.root);
    return;
  }
  replaceSymlinkDurably(paths.current, target);
}
