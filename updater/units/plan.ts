/** What an installation of the updater's units consists of, for whichever service manager. */

/** The service managers for which there are units of ours. */
export type Manager = 'systemd' | 'openrc';

/** What looks for releases: a timer that runs `updater once`, or the daemon `updater run`. */
export type Keeper = 'timer' | 'run';

/** One file that is written whole. `path` is absolute. */
export interface UnitFile {
  path: string;
  text: string;
  mode: number;
}

/**
 * Stands in the first lines of every file that is ours. A file without it
 * belongs to somebody else, and is neither overwritten nor removed.
 */
export const OURS = "Written by 'updater units install'";
