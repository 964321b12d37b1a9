/**
 * Deployments on the disk: `<root>/deployments/<version>-<digest12>/<component>`,
 * a folder for a tree and a file for a file. A deployment proves itself: its
 * content digest is computed from its bytes and modes, and its name ends with
 * the first digits of it. Nothing here writes.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { digestTree, type ListingEntry, treeInfo } from '@landfall/archive';
import { messageOf } from '@landfall/errors';
import { contentDigest, type Content } from '@landfall/manifest';
import type { Deployment } from './facts.ts';
import { beFrugal } from '@landfall/archive/frugal';
import type { Paths } from './paths.ts';
import { isDeploymentId } from './records/schemas.ts';

/** What `<root>/current` is. */
export type Current =
  | { kind: 'none' }
  | { kind: 'deployment'; id: string }
  /** A link whose target is not there. */
  | { kind: 'dangling'; target: string }
  /** Not a link, or one that leads out of `deployments`. */
  | { kind: 'foreign'; target: string };

/** Where the deployment named `id` stands, or would: docs/formats.md. */
export function deploymentPath(paths: Paths, id: string): string {
  return join(paths.deployments, id);
}

/** What stands in `current` when a deployment runs: relative, so that the root can be moved. */
export function linkTarget(paths: Paths, id: string): string {
  return join(basename(paths.deployments), id);
}

/** What `current` is now. Only a folder right below `deployments` counts as a deployment. */
export function readCurrent(paths: Paths): Current {
  const stat = lstatSync(paths.current, { throwIfNoEntry: false });
  if (stat === undefined) return { kind: 'none' };
  if (!stat.isSymbolicLink()) return { kind: 'foreign', target: paths.current };
  const target = readlinkSync(paths.current);
  const absolute = resolve(paths.root, target);
  const id = basename(absolute);
  if (!isDirectory(absolute)) return { kind: 'dangling', target };
  if (dirname(absolute) !== paths.deployments || !isDeploymentId(id)) {
    return { kind: 'foreign', target };
  }
  return { kind: 'deployment', id };
}

/** Ids of the deployments on the disk, the one that came last at the end. */
export function listDeployments(paths: Paths): { id: string; staged: Date }[] {
  if (!isDirectory(paths.deployments)) return [];
  return readdirSync(paths.deployments)
    .filter(isDeploymentId)
    .map((id) => ({ id, staged: statSync(deploymentPath(paths, id)).mtime }))
    .toSorted((a, b) => a.staged.getTime() - b.staged.getTime());
}

/** Why a deployment is not whole, or undefined when its bytes and modes are those of its digest. */
export function findDamage(paths: Paths, { id, digest }: Deployment): string | undefined {
  if (!isDirectory(deploymentPath(paths, id))) return `'${id}' is not on the disk`;
  try {
    const found = digestDeployment(paths, id);
    return found === digest ? undefined : `'${id}' is not what was installed`;
  } catch (error) {
    return `'${id}' cannot be read back: ${messageOf(error)}`;
  }
}

/** The deployment on the disk named `id`, told from its own bytes alone; `sequence` is 0 then. */
export function describeDeployment(paths: Paths, id: string): Deployment {
  const version = id.slice(0, -'-012345678901'.length);
  return { id, version, digest: digestDeployment(paths, id), sequence: 0 };
}

/** The content digest of what is on the disk. Throws `ArchiveError` for what no release can hold. */
function digestDeployment(paths: Paths, id: string): string {
  return contentDigest(listDeployment(paths, id).map(toContent));
}

/** One component as its entries; a file is one entry, `.`. */
export interface ListedComponent {
  name: string;
  kind: 'tree' | 'file';
  entries: ListingEntry[];
}

/** What is on the disk, read and hashed. Throws `ArchiveError` for what no release can hold. */
export function listDeployment(paths: Paths, id: string): ListedComponent[] {
  beFrugal();
  const directory = deploymentPath(paths, id);
  return readdirSync(directory).map((name): ListedComponent => {
    const path = join(directory, name);
    const stat = lstatSync(path);
    if (!stat.isFile()) return { name, kind: 'tree', entries: digestTree(path).listing };
    const { size, mode } = stat;
    const sha256 = hashFile(path);
    const entry = { path: '.', type: 'file' as const, mode: mode & 0o7777, size, sha256 };
    return { name, kind: 'file', entries: [entry] };
  });
}

/** What of a component its deployment's digest depends on. */
export function toContent({ name, kind, entries }: ListedComponent): Content {
  if (kind === 'tree') return { name, kind, artifact: { tree: treeInfo(entries) } };
  const { mode = 0, sha256 = '' } = entries[0] ?? {};
  return { name, kind, artifact: { mode, contentSha256: sha256 } };
}

/** SHA-256 of a file in hex, read in pieces. */
export function hashFile(path: string): string {
  const fd = openSync(path, 'r');
  try {
    const hash = createHash('sha256');
    const piece = Buffer.allocUnsafe(Math.min(1024 * 1024, Math.max(1, fstatSync(fd).size)));
    for (;;) {
      const count = readSync(fd, piece, 0, piece.length, null);
      if (count === 0) return hash.digest('hex');
      hash.update(piece.subarray(0, count));
    }
  } finally {
    closeSync(fd);
  }
}

/** Whether a folder is there, or a link to one; false where nothing is. */
export function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
