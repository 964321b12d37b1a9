/**
 * Folders that are named after the time they were made at, and of which the
 * newest are kept. A clock that went back makes none look old: a new name
 * always comes after those that are there. Nothing is made here.
 */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** `2026-11-30T19-10-35.016Z`; more may follow in a name. */
const TIME = /^(\d{4}-\d\d-\d\dT\d\d)-(\d\d)-(\d\d\.\d{3}Z)/;

/** What a new folder in `parent` is named after: the time, or just after the newest name, whichever is later. */
export function nextTimeName(parent: string): string {
  const later = timesIn(parent).map((time) => time + 1);
  const at = later.reduce((latest, time) => Math.max(latest, time), Date.now());
  return new Date(at).toISOString().replaceAll(':', '-');
}

/** Removes the oldest folders in `parent`, all but `keep`. Throws what the disk refuses. */
export function pruneFolders(parent: string, keep: number): void {
  const folders = readdirSync(parent).toSorted();
  for (const name of folders.slice(0, Math.max(0, folders.length - keep))) {
    rmSync(join(parent, name), { recursive: true, force: true });
  }
}

function timesIn(parent: string): number[] {
  try {
    return readdirSync(parent)
      .map((name) => Date.parse(name.replace(TIME, '$1:$2:$3').slice(0, 24)))
      .filter((time) => !Number.isNaN(time));
  } catch {
    return []; // Not there yet.
  }
}
