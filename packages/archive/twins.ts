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
import { closeSync, fstatSync, readSync } from 'node:fs';
import { ArchiveError } from './errors.ts';
import { quotePath } from './names.ts';
import { Sharer } from './sharer.ts';
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
  readonly #base: StagingFolder;
  readonly #reuse: Reuse;
  readonly #sharer: Sharer;
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES);

  /** Opens the folder that `reuse` names. Throws the system's error when that is none. */
  constructor(reuse: Reuse, folder: StagingFolder) {
    this.#base = new StagingFolder(reuse.directory);
    this.#reuse = reuse;
    this.#sharer = new Sharer(this.#base, folder);
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
    const { path, size } = wanted;
    const stats = fstatSync(fd);
    if (stats.size === size && this.#sharer.fits(stats, wanted)) {
      return new Twin(fd, wanted, this.#buffer, () => {
        const isShared = this.#sharer.share(fd, stats, path);
        if (isShared) this.#reuse.onShared?.(size);
        return isShared;
      });
    }
    closeSync(fd);
    return undefined;
  }

  close(): void {
    this.#base.close();
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
    throw new ArchiveError('ARCHIVE_IO', `${subject} of what runs changed while it was read`, {
      hint: 'nothing was switched; find what writes into the deployment, and run the command again',
    });
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
