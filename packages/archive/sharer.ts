/**
 * Gives a file of one folder a second name in another, or a clone where the file
 * system can share blocks between files. Only where owner and mode are those of
 * the new file: a second name has them with the first.
 */
import { constants, copyFileSync, type Stats } from 'node:fs';
import { StagingFolder } from './staging-folder.ts';

/** Shares files of `base` with `folder`. Both are the caller's to close. */
export class Sharer {
  readonly #base: StagingFolder;
  readonly #folder: StagingFolder;
  /** Whose the new files are. */
  readonly #owner: { uid: number; gid: number };
  #clones = true;

  constructor(base: StagingFolder, folder: StagingFolder) {
    this.#base = base;
    this.#folder = folder;
    this.#owner = folder.owner;
  }

  /** Until the file system has said that it cannot. */
  get clones(): boolean {
    return this.#clones;
  }

  /** Whether the file that `stats` tells of can stand for a new one with this mode. */
  fits(stats: Stats, { mode }: { mode: number }): boolean {
    const { uid, gid } = this.#owner;
    const isPlain = stats.isFile() && (stats.mode & 0o7777) === mode;
    return isPlain && stats.uid === uid && stats.gid === gid;
  }

  /**
   * Whether the file behind `fd`, at `path` of the base, now stands at `path` here, too.
   * Whatever stands against it (another file system, too many names, a flag), the file can
   * be written.
   */
  share(fd: number, { dev, ino }: Stats, path: string): boolean {
    if (this.clone(fd, path)) return true;
    if (!this.link(path)) return false;
    const made = this.#folder.stat(path);
    if (made.dev === dev && made.ino === ino) return true;
    this.#folder.unlink(path);
    return false;
  }

  /** Whether a clone of the file behind `fd` now stands at `as`. */
  clone(fd: number, as: string): boolean {
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

  /** Whether what stands at `path` of the base, whatever that is by now, stands at `as`, too. */
  link(path: string, as: string = path): boolean {
    try {
      this.#folder.linkFile(this.#base, path, as);
      return true;
    } catch {
      return false;
    }
  }
}
