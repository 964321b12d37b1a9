/**
 * Files of another tree on this disk that stand for files of an archive. A twin
 * has the path, mode, size and owner that the new file would have, and is read
 * beside the archive: only when every byte is the same does the new file become
 * a second name of it, or a clone where the file system can share blocks
 * between files. What was compared is the descriptor that is shared.
 *
 * A twin is never written to. Where it differs after some pieces, those are read
 * from it again, against their digest. A crash leaves names that the caller
 * removes with the rest of its folder; the twins stay as they are.
 */
import { createHash, type Hash } from 'node:crypto';
import { closeSync, constants, copyFileSync, fstatSync, readSync, type Stats } from 'node:fs';
import { ArchiveError } from './errors.ts';
import { quotePath } from './names.ts';
import { StagingFolder } from './staging-folder.ts';

const READ_BYTES = 1024 * 1024;

/** Where twins may be found, for extraction. */
export interface Reuse {
  /** The tree that runs: unchanged files keep their paths in it. */
  directory: string;
  /** Called for each file that was shared, with its size in bytes. */
  onShared?: (bytes: number) => void;
}

interface Wanted {
  path: string;
  mode: number;
  size: number;
}

/** The twins in `reuse.directory` of files that are made in `folder`. */
export class Twins {
  readonly #folder: StagingFolder;
  readonly #base: StagingFolder;
  readonly #reuse: Reuse;
  /** Whose the new files are. */
  readonly #owner: { uid: number; gid: number };
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  /** Until the file system says that it cannot. */
  #clones = true;

  /** Opens the folder that `reuse` names. Throws the system's error when that is none. */
  constructor(reuse: Reuse, folder: StagingFolder) {
    this.#base = new StagingFolder(reuse.directory);
    this.#reuse = reuse;
    this.#folder = folder;
    this.#owner = folder.owner;
  }

  /** The twin of a file that is to be made, if there is one; `close` it. */
  open(wanted: Wanted): Twin | undefined {
    if (wanted.size === 0) return undefined;
    let fd: number;
    try {
      fd = this.#base.openFile(wanted.path);
    } catch {
      return undefined;
    }
    const stats = fstatSync(fd);
    if (this.#fits(stats, wanted)) {
      return new Twin(fd, wanted, this.#buffer, () => this.#share(fd, stats, wanted));
    }
    closeSync(fd);
    return undefined;
  }

  close(): void {
    this.#base.close();
  }

  /** A second name has one owner and one mode with the first. */
  #fits(stats: Stats, { mode, size }: Wanted): boolean {
    const { uid, gid } = this.#owner;
    const isPlain = stats.isFile() && (stats.mode & 0o7777) === mode && stats.size === size;
    return isPlain && stats.uid === uid && stats.gid === gid;
  }

  /** Whether the file behind `fd` now stands at the path that was wanted, too. */
  #share(fd: number, stats: Stats, { path, size }: Wanted): boolean {
    const isShared = this.#clone(fd, path) || this.#link(stats, path);
    if (isShared) this.#reuse.onShared?.(size);
    return isShared;
  }

  #clone(fd: number, path: string): boolean {
    if (!this.#clones) return false;
    const { COPYFILE_EXCL, COPYFILE_FICLONE_FORCE } = constants;
    try {
      copyFileSync(
        StagingFolder.descriptor(fd),
        this.#folder.place(path),
        COPYFILE_EXCL | COPYFILE_FICLONE_FORCE,
      );
      return true;
    } catch {
      this.#clones = false;
      return false;
    }
  }

  /** Whatever stands against it (another file system, too many names, a flag), the file can be written. */
  #link(stats: Stats, path: string): boolean {
    try {
      return this.#folder.linkFile(this.#base, path, stats);
    } catch {
      return false;
    }
  }
}

/** One file of the base, read beside the one of the archive. */
export class Twin {
  readonly #fd: number;
  readonly #wanted: Wanted;
  readonly #buffer: Buffer;
  readonly #share: () => boolean;
  /** Of what was accepted; most files come in one piece and need none. */
  #hash: Hash | undefined;
  #at = 0;

  /** `fd`: open for reading, and closed with it; `buffer`: to read into; `share`: what makes the new file. */
  constructor(fd: number, wanted: Wanted, buffer: Buffer, share: () => boolean) {
    this.#fd = fd;
    this.#wanted = wanted;
    this.#buffer = buffer;
    this.#share = share;
  }

  /**
   * True: `piece` is what follows in this file, and with the last piece the new
   * file is there. False: the new file must be written: `pieces`, then `piece`.
   */
  accepts(piece: Buffer): boolean {
    if (!this.#isNext(piece)) return false;
    if (this.#at + piece.length === this.#wanted.size) return this.#share();
    this.#hash ??= createHash('sha256');
    this.#hash.update(piece);
    this.#at += piece.length;
    return true;
  }

  /** What was accepted, read again. Throws `ArchiveError` ARCHIVE_IO when it is not what it was. */
  *pieces(): Generator<Buffer> {
    if (this.#hash === undefined) return;
    const hash = createHash('sha256');
    for (let at = 0; at < this.#at;) {
      const count = this.#read(at, this.#at - at);
      if (count === 0) break;
      const piece = this.#buffer.subarray(0, count);
      hash.update(piece);
      at += count;
      yield piece;
    }
    if (hash.digest('hex') === this.#hash.digest('hex')) return;
    const subject = quotePath(this.#wanted.path);
    throw new ArchiveError('ARCHIVE_IO', `${subject} of what runs changed while it was read`);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #isNext(piece: Buffer): boolean {
    for (let done = 0; done < piece.length;) {
      const count = this.#read(this.#at + done, piece.length - done);
      const same = piece.subarray(done, done + count);
      if (count === 0 || this.#buffer.compare(same, 0, count, 0, count) !== 0) return false;
      done += count;
    }
    return true;
  }

  /** 0 at its end, and where the disk does not give it back: it is no twin then. */
  #read(position: number, most: number): number {
    try {
      return readSync(this.#fd, this.#buffer, 0, Math.min(most, READ_BYTES), position);
    } catch {
      return 0;
    }
  }
}
