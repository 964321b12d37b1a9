/**
 * Which channels there are. A folder is listed, a git branch is fetched; what
 * is only reached over plain HTTP cannot be listed, and tells nothing.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemCode } from '@landfall/errors';
import { indexPath, isChannelName } from '@landfall/manifest';
import type { MirrorConfig, Named } from './config.ts';
import { readersBranch, manifestPaths } from './git-history.ts';
import { channelOf } from './layout.ts';

/** What one mirror tells of its channels; there may be more unless it is `complete`. */
export interface FoundChannels {
  /** Undefined stands for the default channel. */
  channels: (string | undefined)[];
  /** Whether that is all: false for a mirror that cannot be listed. */
  complete: boolean;
  /** For git mirrors: the head they were found in, in the scratch repository. */
  head?: string;
}

/**
 * The channels of one mirror. `scratch` is a bare repository, made when it is
 * needed. Throws `MirrorError` when a git mirror cannot be fetched.
 */
export async function findChannels(
  config: Named<MirrorConfig>,
  scratch: string,
  options: { signal?: AbortSignal } = {},
): Promise<FoundChannels> {
  if (config.type === 'directory') {
    const folder = folderOf(config);
    return folder === undefined
      ? { channels: [], complete: false }
      : { channels: channelsInFolder(folder), complete: true };
  }
  const head = await readersBranch(config).fetchHead(scratch, options);
  if (head === undefined) return { channels: [], complete: true };
  const paths = await manifestPaths(scratch, head, config.name);
  return { channels: paths.map(channelOf), complete: true, head };
}

/** The folder behind a directory mirror, where this machine can see it. */
export function folderOf(config: Extract<MirrorConfig, { type: 'directory' }>): string | undefined {
  if (config.path !== undefined) return config.path;
  return config.url?.startsWith('file:') === true ? fileURLToPath(config.url) : undefined;
}

function channelsInFolder(folder: string): (string | undefined)[] {
  const names = namesIn(join(folder, 'releases')).filter(isChannelName);
  const all = [undefined, ...names];
  return all.filter((channel) => isFile(join(folder, indexPath(channel))));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).toSorted();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
