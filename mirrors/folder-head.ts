/**
 * The head of a directory mirror's index. It is written before the files that it
 * tells of, and looked at again after them. A crash in between leaves a head that
 * tells of files which are not there yet: readers then ask for every file, and
 * the next run completes it. Never one that tells of files which are gone.
 */
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { crashPoint } from '@landfall/cli';
import { makeDirectoryDurably, removeDurably, writeFileDurably } from '@landfall/durable';
import { systemCode } from '@landfall/errors';
import { haltPath, indexPath, isChannelName, MAX_MANIFEST_BYTES } from '@landfall/manifest';
import { digestOf, formatHead, HEAD_PATH, isCovered } from './head.ts';
import { readRegular } from './regular-file.ts';

/** Writes the head of what `root` holds when `files` (path on the index branch → bytes) have been written to it. */
export function writeHead(root: string, files: ReadonlyMap<string, Uint8Array>): void {
  const found = new Map<string, string>();
  for (const path of coveredPaths(root)) {
    const bytes = readServed(join(root, path));
    if (bytes !== undefined) found.set(path, digestOf(bytes));
  }
  for (const [path, bytes] of files) if (isCovered(path)) found.set(path, digestOf(bytes));
  replaceHead(join(root, HEAD_PATH), formatHead(found));
}

function replaceHead(target: string, head: Uint8Array | undefined): void {
  const before = lstatSync(target, { throwIfNoEntry: false });
  // A channel of that name has it.
  if (before?.isDirectory() === true) return;
  if (head === undefined) return removeDurably(target);
  if (before !== undefined && readServed(target)?.equals(head) === true) return;
  makeDirectoryDurably(join(target, '..'), 0o755);
  const mtime = before === undefined ? {} : { mtime: laterSecond(before.mtimeMs) };
  writeFileDurably(target, head, { mode: 0o644, ...mtime });
  crashPoint('mirror-head-written');
}

/** Heads are of one size, and some web servers make tags of size and second: no two may share it. */
function laterSecond(before: number): Date {
  const next = (Math.floor(before / 1000) + 1) * 1000;
  return new Date(Math.max(Date.now(), next));
}

/** Of every channel that has a folder, and the default one. */
function coveredPaths(root: string): string[] {
  const channels = [undefined, ...namesIn(join(root, 'releases')).filter(isChannelName)];
  return channels.flatMap((channel) => [indexPath(channel), haltPath(channel)]);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** As a web server finds it; no larger than any file of the index. */
function readServed(path: string): Buffer | undefined {
  return readRegular(path, MAX_MANIFEST_BYTES, { follow: true });
}
