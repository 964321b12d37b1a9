/**
 * The switch: one rename of one symlink, for every component at once. A crash
 * before the rename leaves the old link, after it the new one; never none, and
 * never one that leads nowhere.
 */
import { readlinkSync } from 'node:fs';
import {
  DurableError,
  removeDurably,
  replaceSymlinkDurably,
  syncDirectory,
} from '@landfall/durable';
import { messageOf } from '@landfall/errors';
import { deploymentPath, isDirectory, linkTarget, readCurrent } from '../deployments.ts';
import { UpdaterError } from '../errors.ts';
import type { Deployment } from '../facts.ts';
import type { Host } from '../host.ts';
import type { Paths } from '../paths.ts';
import { removeLeftovers } from './tidy.ts';

/** Calls that fail before anything has changed. What failed to sync is never tried again. */
const HARMLESS = ['symlink', 'rename', 'unlink'];

/**
 * Switches, and where the disk does not take the link, removes what may go and
 * tries once more: a release that does not work must be left. Throws as `switchCurrent`.
 */
export function switchOrMakeRoom(host: Host, to: Deployment | undefined): void {
  try {
    switchCurrent(host.paths, to);
  } catch (error) {
    const cause = error instanceof DurableError ? error.cause : undefined;
    const call = cause instanceof Error && 'syscall' in cause ? String(cause.syscall) : '';
    if (!HARMLESS.includes(call)) throw error;
    host.note(`${messageOf(error)}: making room, and trying once more`);
    try {
      removeLeftovers(host, true);
    } catch {
      // What counts is whether the link can be made now.
    }
    switchCurrent(host.paths, to);
  }
}

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
