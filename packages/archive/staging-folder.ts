/**
 * A folder that is only ever written by descriptor. Each file and folder is
 * made by its bare name inside a folder that is held open, and a folder is
 * opened by its bare name without following links. So everything lands in
 * folders that were made here, whoever puts links in their place meanwhile.
 *
 * Node has no openat: `/proc/self/fd/<n>/<name>` is how Linux spells it. The
 * kernel goes from the descriptor, not from the path it once had.
 *
 * It creates, never replaces. A crash leaves what was made so far.
 */
import { closeSync, constants, existsSync, fchmodSync, fstatSync, linkSync } from 'node:fs';
import { lstatSync, mkdirSync, openSync, readdirSync, type Stats, unlinkSync } from 'node:fs';
import { resolve } from 'node:path';
import { ArchiveError } from './errors.ts';
import { parentOf } from './names.ts';

const DESCRIPTORS = '/proc/self/fd';
const FOLDER = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
/** Without waiting for a writer, should it be a fifo. */
const OLD_FILE = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** An open folder and its name in the one before it. */
interface Level {
  name: string;
  fd: number;
}

/** Paths are those of the archive, `.` for the folder itself. It is open until `close`. */
export class StagingFolder {
  readonly #root: number;
  /** The way from the root to the folder that was last written to. */
  readonly #open: Level[] = [];
  /** The path of the last of them. */
  #inner = '.';
  /** Modes that new files have when they are made with them: a default ACL is every folder's here, or none's. */
  readonly #kept = new Set<number>();

  /** Opens `directory`, which must be there. Throws system errors; `ArchiveError` ARCHIVE_IO without /proc. */
  constructor(directory: string) {
    // Without a slash at its end, which would follow a link.
    this.#root = openSync(resolve(directory), FOLDER);
    if (existsSync(`${DESCRIPTORS}/${this.#root}`)) return;
    closeSync(this.#root);
    throw new ArchiveError('ARCHIVE_IO', "'/proc' is not there: expected it mounted", {
      hint: 'files are made by descriptor, which needs it: mount -t proc proc /proc',
    });
  }

  isEmpty(): boolean {
    return readdirSync(`${DESCRIPTORS}/${this.#root}`).length === 0;
  }

  /** Makes the folder `path` with this mode, whatever the umask; `.` is there and gets the mode. Its parent must be there. */
  makeDirectory(path: string, mode: number): void {
    if (path === '.') return fchmodSync(this.#root, mode);
    const at = this.place(path);
    mkdirSync(at, 0o700);
    const fd = this.#push(at, nameOf(path));
    fchmodSync(fd, mode);
  }

  /** Makes the file `path`, 0600 unless told, and returns a descriptor to write to; the caller closes it. */
  createFile(path: string, mode = 0o600): number {
    const fd = openSync(this.place(path), NEW_FILE, mode);
    if (mode === 0o600 || this.#kept.has(mode)) return fd;
    try {
      this.#setMode(fd, mode);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    return fd;
  }

  /** Whatever the umask or a default ACL left of it. Where they leave all, they need not be asked again. */
  #setMode(fd: number, mode: number): void {
    if ((fstatSync(fd).mode & 0o7777) === mode) this.#kept.add(mode);
    else fchmodSync(fd, mode);
  }

  /** Opens the file `path`, which is there, to read; the caller closes it. No link in its way is followed. */
  openFile(path: string): number {
    return openSync(this.place(path), OLD_FILE);
  }

  /** What stands at `path`; a link is not followed. Throws system errors. */
  stat(path: string): Stats {
    return lstatSync(this.place(path));
  }

  /**
   * What opens `path` in any thread of this process while this folder is open. Links
   * in its way are followed, so it must be looked at what was opened.
   */
  below(path: string): string {
    return `${DESCRIPTORS}/${this.#root}/${path}`;
  }

  /** Whose files are made here. */
  get owner(): { uid: number; gid: number } {
    const { uid, gid } = fstatSync(this.#root);
    return { uid, gid };
  }

  /**
   * Gives what stands at `path` of `from` a second name here: `as`, or the same path. A link
   * is not followed. Throws system errors.
   */
  linkFile(from: StagingFolder, path: string, as: string = path): void {
    linkSync(from.place(path), this.place(as));
  }

  /** Takes the name `path` away. Throws system errors. */
  unlink(path: string): void {
    unlinkSync(this.place(path));
  }

  /** A path that opens what is open as `fd`. */
  static descriptor(fd: number): string {
    return `${DESCRIPTORS}/${fd}`;
  }

  /** Closes all folders. */
  close(): void {
    for (const { fd } of this.#open.splice(0)) closeSync(fd);
    closeSync(this.#root);
  }

  /** Where the kernel finds `path`: a bare name in its parent, which is open after this. */
  place(path: string): string {
    const parent = parentOf(path);
    if (parent !== this.#inner) this.#enter(parent);
    return this.#inside(nameOf(path));
  }

  #enter(folder: string): void {
    const names = folder === '.' ? [] : folder.split('/');
    let shared = 0;
    while (shared < names.length && this.#open[shared]?.name === names[shared]) shared += 1;
    this.#inner = names.slice(0, shared).join('/') || '.';
    for (const { fd } of this.#open.splice(shared)) closeSync(fd);
    for (const name of names.slice(shared)) this.#push(this.#inside(name), name);
  }

  #inside(name: string): string {
    return `${DESCRIPTORS}/${this.#open.at(-1)?.fd ?? this.#root}/${name}`;
  }

  #push(at: string, name: string): number {
    const fd = openSync(at, FOLDER);
    this.#open.push({ name, fd });
    this.#inner = this.#inner === '.' ? name : `${this.#inner}/${name}`;
    return fd;
  }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
