/** Space and inodes for a whole update, before its first byte. */
import { accessSync, constants, existsSync, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { formatBytes } from '@landfall/cli';
import { describeSystemError, messageOf } from '@landfall/errors';
import type { Selected } from '@landfall/manifest';
import { UpdaterError } from '../errors.ts';
import type { Paths } from '../paths.ts';
import { bytesLeft } from './downloads.ts';

/** For state, journal and logs, and for what others write meanwhile. */
const RESERVE_BYTES = 16 * 1024 * 1024;
const RESERVE_INODES = 64;

interface Need {
  path: string;
  bytes: number;
  inodes: number;
}

/**
 * Throws `UpdaterError` NO_SPACE naming the file system that is too small, and
 * by how much, or that takes no writes. A quota counts where statfs tells of it.
 * `fetched` tells what is downloaded of a component: what is left of its
 * artifact unless told. What is unpacked counts whole, whatever it will share.
 */
export function checkSpace(
  paths: Paths,
  selected: readonly Selected[],
  fetched: (component: Selected) => number = (component) => bytesLeft(paths, component),
): void {
  const downloads = { path: existing(paths.downloads), bytes: 0, inodes: selected.length };
  const deployments = { path: existing(paths.deployments), bytes: 0, inodes: 1 };
  const blockSize = statfsSync(deployments.path).bsize;
  for (const component of selected) {
    const { kind, artifact } = component;
    downloads.bytes += fetched(component);
    const entries = kind === 'tree' ? artifact.tree.entries : 1;
    const size = kind === 'tree' ? artifact.tree.size : artifact.contentSize;
    // A file takes whole blocks: half a block more, on average; a whole one to be sure.
    deployments.bytes += size + entries * blockSize;
    deployments.inodes += entries;
  }
  const shared = statSync(downloads.path).dev === statSync(deployments.path).dev;
  const needs = shared ? [sum(deployments, downloads)] : [deployments, downloads];
  for (const need of needs) checkNeed(need);
}

/** The same for a release that is on the disk: only what the updater writes down needs room. */
export function checkRoomToSwitch({ root, state }: Paths): void {
  checkWritable(existing(root));
  checkNeed({ path: existing(state), bytes: 0, inodes: 0 });
}

/** Read-only, for one: a disk that failed is often mounted anew like that. */
function checkWritable(path: string): void {
  try {
    accessSync(path, constants.W_OK);
  } catch (error) {
    const what = describeSystemError(error)?.what ?? messageOf(error);
    throw new UpdaterError('NO_SPACE', `'${path}' cannot be written to: ${what}`, {
      hint: 'see whether it was mounted read-only after an error: dmesg, findmnt',
      cause: error,
    });
  }
}

function checkNeed({ path, bytes, inodes }: Need): void {
  checkWritable(path);
  const { bavail, bsize, ffree, files } = statfsSync(path);
  const free = bavail * bsize;
  const hint = 'free some, or lower `keep` in the configuration';
  if (free < bytes + RESERVE_BYTES) {
    throw new UpdaterError(
      'NO_SPACE',
      `not enough space at '${path}': expected ${formatBytes(bytes + RESERVE_BYTES)} free, found ${formatBytes(free)}`,
      { hint },
    );
  }
  // Some file systems have no fixed number of inodes and say 0.
  if (files > 0 && ffree < inodes + RESERVE_INODES) {
    throw new UpdaterError(
      'NO_SPACE',
      `not enough inodes at '${path}': expected ${inodes + RESERVE_INODES} free, found ${ffree}`,
      { hint },
    );
  }
}

function sum(a: Need, b: Need): Need {
  return { path: a.path, bytes: a.bytes + b.bytes, inodes: a.inodes + b.inodes };
}

/** `path`, or the nearest folder above it that is there. */
function existing(path: string): string {
  return existsSync(path) || path === dirname(path) ? path : existing(dirname(path));
}
