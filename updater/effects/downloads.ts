/**
 * What was downloaded of artifacts and is not unpacked: `<file>.unverified`. It
 * outlives a crash and a mirror that failed, since the next download believes
 * nothing of it that it has not hashed again. It goes when what is offered does
 * not need it, when it lies there for a week, and when room is needed.
 */
import { lstatSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { deltasOf, type Selected } from '@landfall/manifest';
import { isDirectory } from '../deployments.ts';
import type { Paths } from '../paths.ts';

const ENDING = '.unverified';
const LONGEST_MS = 7 * 86_400_000;

/** Where an artifact is downloaded to. */
export function unverifiedPath(paths: Paths, file: string): string {
  return join(paths.downloads, `${file}${ENDING}`);
}

/** Removes what was downloaded of a file. */
export function removeDownload(paths: Paths, file: string): void {
  rmSync(unverifiedPath(paths, file), { force: true });
}

/** Removes what is no download of an artifact of `selected`, or of a delta to it, whatever it is. */
export function keepDownloads(paths: Paths, selected: readonly Selected[]): void {
  const files = selected.flatMap(({ artifact }) => [artifact, ...deltasOf(artifact)]);
  const kept = new Set(files.map(({ file }) => `${file}${ENDING}`));
  removeOthers(paths, (name) => kept.has(name));
}

/** Removes what is no download of the last days; with `all`, those too. */
export function removeOldDownloads(paths: Paths, all: boolean): void {
  removeOthers(paths, (name) => !all && isRecent(paths, name));
}

/** Bytes of an artifact that take room already. */
function bytesHere(paths: Paths, file: string): number {
  const info = lstatSync(unverifiedPath(paths, file), { throwIfNoEntry: false });
  return info?.isFile() === true ? Math.min(info.size, info.blocks * 512) : 0;
}

/** Bytes of a component's artifact that are still to be downloaded. */
export function bytesLeft(paths: Paths, { artifact }: Selected): number {
  return artifact.size - bytesHere(paths, artifact.file);
}

function isRecent(paths: Paths, name: string): boolean {
  if (!name.endsWith(ENDING)) return false;
  const info = lstatSync(join(paths.downloads, name), { throwIfNoEntry: false });
  // Ahead of the clock, too: a machine without one of its own starts in the past.
  return info?.isFile() === true && Date.now() - info.mtimeMs < LONGEST_MS;
}

function removeOthers(paths: Paths, isKept: (name: string) => boolean): void {
  for (const name of isDirectory(paths.downloads) ? readdirSync(paths.downloads) : []) {
    if (!isKept(name)) rmSync(join(paths.downloads, name), { recursive: true, force: true });
  }
}
