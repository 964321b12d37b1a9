/**
 * Repairs of single entries. A file gets its content in one rename, so that
 * the web server never sees half a file; what was in its place is kept below
 * `<root>/aside`. A crash between two repairs leaves some done and some not:
 * the next look finds those.
 */
import { chmodSync, linkSync, lstatSync, mkdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { crashPoint } from '@landfall/cli';
import {
  copyFileDurably,
  DurableError,
  isTemporaryName,
  makeDirectoryDurably,
  removeDurably,
  renameDurably,
  syncDirectory,
} from '@landfall/durable';
import { messageOf } from '@landfall/errors';
import type { Expected, Finding } from './findings.ts';

/** One round of repairs on the deployment at `directory`; `aside` is made when something goes there. */
export interface Round {
  directory: string;
  aside: string;
}

/** Whether all above `path` are folders: what a link there leads to is not ours to repair. */
export function isInside({ directory }: Pick<Round, 'directory'>, path: string): boolean {
  const above = dirname(path);
  if (above === '.') return true;
  const stat = lstatSync(join(directory, above), { throwIfNoEntry: false });
  return stat?.isDirectory() === true && isInside({ directory }, above);
}

/** Puts right what needs no content: folders, modes, what does not belong. Throws what the disk refuses. */
export function repairPlainly(round: Round, { path, kind, expected }: Finding): void {
  requireInside(round, path);
  const target = join(round.directory, path);
  if (expected === undefined) {
    if (isTemporaryName(basename(path)) && lstatSync(target).isFile()) removeDurably(target);
    else moveAside(round, path);
    return;
  }
  if (kind === 'type') moveAside(round, path);
  if (expected.type === 'directory' && kind !== 'mode') {
    mkdirSync(target);
    chmodSync(target, expected.mode);
    syncDirectory(dirname(target));
  } else if (kind === 'mode') {
    chmodSync(target, expected.mode);
  }
  crashPoint('heal-repaired');
}

/**
 * Gives the file `expected` its content from the first of `sources` that has
 * it. Throws when none has.
 */
export function restoreContent(round: Round, expected: Expected, sources: readonly string[]): void {
  const target = join(round.directory, expected.path);
  const { mode, sha256 } = expected;
  requireInside(round, expected.path);
  keepOld(round, expected.path);
  const failures: string[] = [];
  for (const source of sources) {
    try {
      copyFileDurably(source, target, { mode, sha256 });
      crashPoint('heal-restored');
      return;
    } catch (error) {
      failures.push(messageOf(error));
    }
  }
  const why = failures.at(-1);
  throw new DurableError(
    'WRITE_FAILED',
    `no copy of it can be had${why === undefined ? '' : `: ${why}`}`,
  );
}

function requireInside(round: Round, path: string): void {
  if (isInside(round, path)) return;
  throw new DurableError('WRITE_FAILED', 'the folder that it belongs to is not there');
}

function moveAside(round: Round, path: string): void {
  const to = placeAside(round, path);
  renameDurably(join(round.directory, path), to);
  crashPoint('heal-moved-aside');
}

/** A second name for what stands there now, so that a rename over it loses nothing. */
function keepOld(round: Round, path: string): void {
  const target = join(round.directory, path);
  const stat = lstatSync(target, { throwIfNoEntry: false });
  if (stat === undefined) return;
  const to = placeAside(round, path);
  try {
    linkSync(target, to);
    syncDirectory(dirname(to));
  } catch {
    // A file system without hard links, or one that is full: the page matters more.
  }
}

function placeAside({ aside }: Round, path: string): string {
  makeDirectoryDurably(dirname(aside), 0o700);
  const to = join(aside, path);
  makeDirectoryDurably(dirname(to), 0o700);
  return to;
}
