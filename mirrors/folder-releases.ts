/**
 * Which releases a directory mirror stores, and removing one. A crash in the
 * middle of a removal leaves some of its files, which the next one removes.
 */
import { lstatSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { crashPoint } from '@landfall/cli';
import { removeDurably, syncDirectory } from '@landfall/durable';
import { systemCode } from '@landfall/errors';
import { isVersion, releaseTag } from '@landfall/manifest';
import type { StoredRelease } from './mirror.ts';

/** Releases with at least one file, uploads that were cut off included. Other folders are nobody's release. */
export function listStored(root: string): StoredRelease[] {
  if (!namesIn(join(root, 'releases')).includes('download')) return [];
  return namesIn(downloadsOf(root)).flatMap((name) => {
    const version = name.slice(releaseTag('').length);
    if (releaseTag(version) !== name || !isVersion(version)) return [];
    const files = filesIn(join(downloadsOf(root), name));
    return files.length === 0 ? [] : [{ version, files }];
  });
}

/** Removes the files of a version, and its folder when nothing else is in it. */
export function removeStored(root: string, version: string): void {
  if (!isVersion(version)) throw new Error(`not a version: ${JSON.stringify(version)}`);
  if (!listStored(root).some((stored) => stored.version === version)) return;
  const folder = join(downloadsOf(root), releaseTag(version));
  for (const { file } of filesIn(folder)) {
    removeDurably(join(folder, file));
    crashPoint('mirror-artifact-removed');
  }
  try {
    rmdirSync(folder);
    syncDirectory(downloadsOf(root));
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(systemCode(error) ?? '')) throw error;
  }
}

/** Names in a real folder. What a link leads to is not the mirror's: a stick may come from anybody. */
function namesIn(folder: string): string[] {
  const info = lstatSync(folder, { throwIfNoEntry: false });
  return info?.isDirectory() === true ? readdirSync(folder).toSorted() : [];
}

function downloadsOf(root: string): string {
  return join(root, 'releases', 'download');
}

function filesIn(folder: string): { file: string; size: number }[] {
  return namesIn(folder).flatMap((file) => {
    const info = lstatSync(join(folder, file), { throwIfNoEntry: false });
    return info?.isFile() === true ? [{ file, size: info.size }] : [];
  });
}
