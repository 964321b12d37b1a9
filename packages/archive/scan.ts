/**
 * Walks one part of a tree on the disk, without following any link, and puts
 * what it finds into the draft: entries that travel, and a problem for each
 * that does not. It never stops at the first problem.
 */
import { accessSync, constants, lstatSync, readdirSync, type Stats } from 'node:fs';
import { resolve } from 'node:path';
import { describeSystemError, systemCode } from '@landfall/errors';
import { toArchiveError } from './errors.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { describeMode, kindOf } from './modes.ts';
import { decodeName, pathProblem, quotePath } from './names.ts';
import type { Draft, PartRoot } from './draft.ts';
import type { Refuse } from './plan.ts';

/** Scans the folder or file `from` into `draft` at the path `at`. */
export function scanPart(draft: Draft, from: string, at: string, refuse?: Refuse): void {
  // Without a slash at its end, which would make lstat follow a link.
  const root = resolve(from);
  const stats = look(draft, root, from);
  if (stats === undefined) return;
  if (at === '.' && stats.isFile()) {
    const what = `${quotePath(from)} is a file and has no place: expected a path in the archive`;
    draft.refuse({ path: at, what, hint: "give 'at' the path of the file in the archive" });
    return;
  }
  visit({ draft, part: { root, at }, refuse }, root, at, stats, at === '.' ? from : at);
}

interface Scan {
  draft: Draft;
  part: PartRoot;
  refuse: Refuse | undefined;
}

/** `shown` is what messages call it. */
function visit(scan: Scan, source: string, path: string, stats: Stats, shown: string): void {
  const { draft, part } = scan;
  const reason = scan.refuse?.(source, stats);
  if (reason !== undefined) {
    draft.refuse({ path, what: `${quotePath(shown)} ${reason}`, hint: LEAVE_OUT });
    return;
  }
  if (!travels(draft, path, stats, shown)) return;
  if (stats.isFile()) {
    if (isOwnToRead(stats) || isReadable(draft, source, path, shown)) {
      draft.add(path, part, stats);
    }
    return;
  }
  draft.add(path, part, stats);
  const inside = source.endsWith('/') ? source : `${source}/`;
  for (const name of namesIn(draft, source, path, shown)) {
    const below = path === '.' ? name : `${path}/${name}`;
    if (draft.isExcluded(below)) continue;
    const wrong = pathProblem(below, DEFAULT_LIMITS);
    if (wrong !== undefined) {
      draft.refuse({ path: below, what: `${quotePath(below)} ${wrong}`, hint: RENAME });
      continue;
    }
    const child = `${inside}${name}`;
    const childStats = look(draft, child, below);
    if (childStats !== undefined) visit(scan, child, below, childStats, below);
  }
}

const RENAME = 'rename it, or exclude it';
const LEAVE_OUT =
  "name it in the component's 'exclude', or pack a folder that holds only what nodes are to get";

/** Only plain files and directories without special mode bits do. */
function travels(draft: Draft, path: string, stats: Stats, shown: string): boolean {
  if (!stats.isFile() && !stats.isDirectory()) {
    const hint = stats.isSymbolicLink()
      ? 'put a copy of what the link points to in its place, or exclude it'
      : 'remove it, or exclude it';
    const what = `${quotePath(shown)} is ${kindOf(stats)}, expected a file or a directory`;
    draft.refuse({ path, what, hint });
    return false;
  }
  const bits = stats.mode & 0o7000;
  if (bits === 0) return true;
  const names = [
    bits & 0o4000 ? 'setuid' : '',
    bits & 0o2000 ? 'setgid' : '',
    bits & 0o1000 ? 'sticky' : '',
  ].filter(Boolean);
  const type = stats.isDirectory() ? 'directory' : 'file';
  draft.refuse({
    path,
    what: `${quotePath(shown)} is ${names.join(' and ')}: ${describeMode(type, stats.mode & 0o7777)}`,
    hint: 'clear special mode bits with chmod -R u-s,g-s,-t on the folder',
  });
  return type === 'directory';
}

/** Metadata of `source` itself; a refusal when it cannot be looked at. */
function look(draft: Draft, source: string, path: string): Stats | undefined {
  try {
    return lstatSync(source);
  } catch (error) {
    refuseUnreadable(draft, path, path, error);
    return undefined;
  }
}

/** Who this process is, to the file system. */
const USER = process.geteuid?.();

/** Of a file of one's own the mode says it all; thousands need not be asked for again. */
function isOwnToRead(stats: Stats): boolean {
  return stats.uid === USER && (stats.mode & 0o400) !== 0;
}

function isReadable(draft: Draft, source: string, path: string, shown: string): boolean {
  try {
    accessSync(source, constants.R_OK);
    return true;
  } catch (error) {
    refuseUnreadable(draft, path, shown, error);
    return false;
  }
}

/**
 * Names in a folder. Names that are not UTF-8 are refused here: Node turns
 * their bytes into U+FFFD, so only a folder that shows one is read again as bytes.
 */
function namesIn(draft: Draft, source: string, path: string, shown: string): string[] {
  try {
    const names = readdirSync(source);
    if (!names.some((name) => name.includes('\ufffd'))) return names;
    return readdirSync(source, { encoding: 'buffer' }).flatMap((bytes) => {
      const name = decodeName(bytes);
      if (name !== undefined) return [name];
      const below = `${path === '.' ? '' : `${path}/`}${bytes.toString('latin1')}`;
      draft.refuse({ path: below, what: `${quotePath(below)} is not UTF-8`, hint: RENAME });
      return [];
    });
  } catch (error) {
    refuseUnreadable(draft, path, shown, error);
    return [];
  }
}

/** What the scan can say about a path it may not or cannot read. Disk failures end the scan. */
function refuseUnreadable(draft: Draft, path: string, shown: string, error: unknown): void {
  const code = systemCode(error);
  const subject = quotePath(shown);
  if (code !== 'EACCES' && code !== 'EPERM' && code !== 'ENOENT' && code !== 'ENOTDIR') {
    throw toArchiveError(subject, error);
  }
  const known = describeSystemError(error);
  const what = `${subject} cannot be read: ${known?.what ?? code}`;
  draft.refuse({ path, what, ...(known === undefined ? {} : { hint: known.hint }) });
}
