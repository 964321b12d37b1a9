/**
 * The links that say which updater starts: `<root>/updater`, and beside it
 * `<root>/updater.previous` from the moment a new one takes over until that has
 * done its work once. Nothing here writes.
 */
import { existsSync, lstatSync, readlinkSync, realpathSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { deploymentPath, linkTarget } from '../deployments.ts';
import { ownProgram } from '../own-program.ts';
import type { Paths } from '../paths.ts';

/** What a link leads to: as it is written, and absolute. */
export interface UpdaterLink {
  target: string;
  file: string;
}

/** The link at `path`; undefined when nothing is there, `foreign` when it is no link. */
export function readUpdaterLink(paths: Paths, path: string): UpdaterLink | 'foreign' | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  if (!stat.isSymbolicLink()) return 'foreign';
  const target = readlinkSync(path);
  return { target, file: resolve(paths.root, target) };
}

/** What the link holds when it leads to `component` of a deployment: relative, as `current` is. */
export function updaterTarget(paths: Paths, id: string, component: string): string {
  return join(linkTarget(paths, id), component);
}

/** The file of `component` in a deployment. */
export function updaterFile(paths: Paths, id: string, component: string): string {
  return join(deploymentPath(paths, id), component);
}

/** Ids of deployments that the links lead into: they stay on the disk. */
export function linkedDeployments(paths: Paths): string[] {
  return [paths.updater, paths.previousUpdater].flatMap((path) => {
    const link = readUpdaterLink(paths, path);
    if (link === undefined || link === 'foreign') return [];
    const [id] = relative(paths.deployments, link.file).split(sep);
    return id === undefined || id === '..' ? [] : [id];
  });
}

/** Whether this very process runs the program that the link leads to. */
export function isLinked(paths: Paths): boolean {
  const own = ownProgram().at(-1);
  if (own === undefined || !existsSync(paths.updater) || !existsSync(own)) return false;
  return realpathSync(paths.updater) === realpathSync(own);
}
