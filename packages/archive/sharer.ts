/**
 * Gives a file of one folder a second name in another, or a clone where the file
 * system can share blocks between files. What is shared is the descriptor that
 * was checked, and only where owner and mode are those of the new file: a second
 * name has them with the first.
 */
import { constants, copyFileSync, type Stats } from 'node:fs';
import { StagingFolder } from './staging-folder.ts';

export class Sharer {
  readonly #base: StagingFolder;
  readonly #folder: StagingFolder;
  /** Whose the new files are. */
  readonly #owner: { uid: number; gid: number };
  /** Until the file system says that it cannot. */
  #clones = true;

  constructor(base: StagingFolder, folder: StagingFolder) {
    this.#base = base;
    this.#folder = folder;
    this.#owner = folder.owner;
  }

  /** Whether the file that `stats` tells of can stand for a new one with this mode. */
  fits(stats: Stats, { mode }: { mode: number }): boolean {
    const { uid, gid } = this.#owner;
    const isPlain = stats.isFile() && (stats.mode & 0o7777) === mode;
    return isPlain && stats.uid === uid && stats.gid === gid;
  }

  /**
   * Whether the file behind `fd`, at `path` of the base, now stands at `as` (the same path unless
   * told), too. Whatever stands against it (another file system, too many names, a flag),
   * the file can be written.
   */
  share(fd: number, stats: Stats, path: string, as: string = path): boolean {
    return this.#clone(fd, as) || this.#link(stats, path, as);
  }

  #clone(fd: number, as: string): boolean {
    if (!this.#clones) return false;
    const { COPYFILE_EXCL, COPYFILE_FICLONE_FORCE } = constants;
    try {
      copyFileSync(
        StagingFolder.descriptor(fd),
        this.#folder.place(as),
        COPYFILE_EXCL | COPYFILE_FICLONE_FORCE,
      );
      return true;
    } catch {
      this.#clones = false;
      return false;
    }
  }

  #link(stats: Stats, path: string, as: string): boolean {
    try {
      return this.#folder.linkFile(this.#base, path, stats, as);
    } catch {
      return false;
    }
  }
}
