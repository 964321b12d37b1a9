/**
 * What of a deployment on the disk is not what was installed. Names, kinds,
 * modes and sizes are compared every time; content is read where asked, and
 * where a file was changed since it was last known to be right. Changes nothing.
 */
import { lstatSync, readdirSync, type Stats } from 'node:fs';
import { dirname, join } from 'node:path';
import { describeMode, type ListingEntry } from '@landfall/archive';
import { describeSystemError, messageOf, systemCode } from '@landfall/errors';
import { hashFile } from '../deployments.ts';
import type { Inventory } from '../records/inventory-file.ts';

/** An entry of a deployment: `path` is below the deployment's folder. */
export type Expected = ListingEntry;

/** One thing that is not as it should be. */
export interface Finding {
  path: string;
  kind: 'missing' | 'type' | 'mode' | 'content' | 'extra' | 'unreadable';
  /** What should be there; undefined for what should not. */
  expected?: Expected;
  /** In words, on one line, without the path. */
  what: string;
}

/** Which files are read; names, kinds, modes and sizes are compared in any case. */
export interface LookOptions {
  /** Files changed after this time are read; ms since 1970. Undefined: none is known to be right yet. */
  checkedMs: number | undefined;
  /** Files that are read in any case. */
  suspects: ReadonlySet<string>;
  /** Read every file, from after this path on ('' for all). Undefined: only changed ones. */
  fullFrom: string | undefined;
  /** Bytes to read at most for a full reading. */
  budget: number;
}

/** What one look came to. Without findings, nothing that was looked at is amiss. */
export interface Look {
  findings: Finding[];
  /** Files that were read. */
  read: number;
  /** Where the full reading stopped because the budget was used up; undefined when it got through. */
  stoppedAt: string | undefined;
}

/** A file system's clock may be this much behind; ms. */
const CLOCK_SLACK_MS = 2000;

/** All entries of a deployment, parents first: components, their folders, their files. */
export function entriesOf({ components }: Inventory): Expected[] {
  return components.flatMap(({ name, entries }) =>
    entries.map((entry) => ({
      ...entry,
      path: entry.path === '.' ? name : `${name}/${entry.path}`,
    })),
  );
}

/**
 * Compares `directory` with `entries`, parents first. One entry that cannot be looked at does not end
 * it. What is behind a link, in the place of a folder, is not looked at: all below it is missing.
 */
export function lookAt(
  directory: string,
  entries: readonly Expected[],
  options: LookOptions,
): Look {
  const look: Look = { findings: [], read: 0, stoppedAt: undefined };
  const names = new Set(entries.map((each) => each.path));
  const { fullFrom } = options;
  /** Of the first that a full reading has still to read. One that is not there any more: all of them. */
  const from =
    fullFrom === undefined
      ? entries.length
      : entries.findIndex(({ path }) => path === fullFrom) + 1;
  let left = options.budget;
  /** Folders of the release that are none here. */
  const gone = new Set<string>();
  for (const [index, entry] of entries.entries()) {
    const finding = guarded(entry, () => {
      if (gone.size > 0 && gone.has(dirname(entry.path))) return missing(entry);
      const stats = lstatSync(`${directory}/${entry.path}`, { throwIfNoEntry: false });
      const plain = comparePlainly(entry, stats);
      if (plain !== undefined || stats === undefined || entry.type === 'directory') return plain;
      const isDue = index >= from && look.stoppedAt === undefined;
      if (!isDue && !isSuspect(entry, stats, options)) return undefined;
      look.read += 1;
      if (isDue) {
        left -= stats.size;
        if (left < 0) look.stoppedAt = entry.path;
      }
      return compareContent(directory, entry);
    });
    if (finding === undefined) continue;
    look.findings.push(finding);
    const isGone = finding.kind === 'missing' || finding.kind === 'type';
    if (entry.type === 'directory' && isGone) gone.add(entry.path);
  }
  const folders = entries.filter(({ type, path }) => type === 'directory' && !gone.has(path));
  look.findings.push(...findExtras(directory, folders, names));
  return look;
}

/** The finding that says that `entry` could not be looked at, or what `look` found. */
function guarded(entry: Expected, look: () => Finding | undefined): Finding | undefined {
  try {
    return look();
  } catch (error) {
    // A folder in its path is no folder: what is in the way is found there.
    if (systemCode(error) === 'ENOTDIR') return missing(entry);
    const what = `cannot be read: ${describeSystemError(error)?.what ?? messageOf(error)}`;
    return { path: entry.path, kind: 'unreadable', expected: entry, what };
  }
}

function missing(expected: Expected): Finding {
  return { path: expected.path, kind: 'missing', expected, what: 'is missing' };
}

function comparePlainly(entry: Expected, stats: Stats | undefined): Finding | undefined {
  const { path, type, mode, size } = entry;
  const found = (kind: Finding['kind'], what: string): Finding => ({
    path,
    kind,
    expected: entry,
    what,
  });
  if (stats === undefined) return missing(entry);
  if (type === 'directory' ? !stats.isDirectory() : !stats.isFile()) {
    return found('type', `is no ${type}`);
  }
  if (type === 'file' && stats.size !== size) {
    return found('content', `has ${stats.size} bytes, expected ${size}`);
  }
  const bits = stats.mode & 0o7777;
  if (bits === mode) return undefined;
  return found('mode', `is ${describeMode(type, bits)}, expected ${describeMode(type, mode)}`);
}

function isSuspect({ path }: Expected, { ctimeMs }: Stats, options: LookOptions): boolean {
  const { checkedMs, suspects } = options;
  if (suspects.has(path)) return true;
  return checkedMs !== undefined && ctimeMs > checkedMs - CLOCK_SLACK_MS;
}

function compareContent(directory: string, entry: Expected): Finding | undefined {
  if (hashFile(join(directory, entry.path)) === entry.sha256) return undefined;
  return { path: entry.path, kind: 'content', expected: entry, what: 'has other content' };
}

/** Names that the release does not have, in `folders` of it. */
function findExtras(
  directory: string,
  folders: readonly Expected[],
  names: ReadonlySet<string>,
): Finding[] {
  return ['', ...folders.map(({ path }) => path)].flatMap((folder) => {
    let found: string[];
    try {
      const path = `${directory}/${folder}`;
      if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
      found = readdirSync(path);
    } catch {
      return []; // Told where the folder itself was looked at.
    }
    return found
      .map((name) => (folder === '' ? name : `${folder}/${name}`))
      .filter((path) => !names.has(path))
      .map((path): Finding => ({ path, kind: 'extra', what: 'is not of this release' }));
  });
}
