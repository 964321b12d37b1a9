/**
 * A tree on the disk, read back: its listing and its digest, or a refusal that
 * says which entries are not what an extraction leaves. It follows no link and
 * changes nothing. Run it as the user whose view counts.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { describeSystemError, systemCode } from '@landfall/errors';
import { ContentHash } from './content-hash.ts';
import { ArchiveError, type Problem, refused, toArchiveError } from './errors.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { describeMode, DIRECTORY_MODE, FILE_MODES, kindOf } from './modes.ts';
import { pathProblem, quotePath } from './names.ts';
import { compareEntries, type ListingEntry, type TreeInfo, treeInfo } from './tree.ts';

const READ_BYTES = 1024 * 1024;

/**
 * The tree below `directory`. Throws `ArchiveError` ARCHIVE_REFUSED for links,
 * devices, modes other than 0755 (directories) and 0644 or 0755 (files), and
 * for what the calling user cannot read; ARCHIVE_IO when the disk fails.
 */
export function digestTree(directory: string): TreeInfo & { listing: ListingEntry[] } {
  const walk = new Walk();
  // Without a slash at its end, which would make lstat follow a link.
  walk.visit(resolve(directory), '.');
  if (walk.problems.length > 0) throw refused(`tree ${quotePath(directory)}`, walk.problems);
  const listing = walk.listing.toSorted(compareEntries);
  return { ...treeInfo(listing), listing };
}

class Walk {
  readonly listing: ListingEntry[] = [];
  readonly problems: Problem[] = [];
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES);

  visit(source: string, path: string): void {
    const subject = path === '.' ? 'root directory' : quotePath(path);
    try {
      const wrong = path === '.' ? undefined : pathProblem(path, DEFAULT_LIMITS);
      if (wrong !== undefined) this.problems.push({ path, what: `${subject} ${wrong}` });
      else this.#read(source, path, subject);
    } catch (error) {
      const known = describeSystemError(error);
      if (known === undefined || systemCode(error) === 'EIO') throw toArchiveError(subject, error);
      const what = `${subject} cannot be read: ${known.what}`;
      this.problems.push({ path, what, hint: known.hint });
    }
  }

  #read(source: string, path: string, subject: string): void {
    const stats = lstatSync(source);
    const mode = stats.mode & 0o7777;
    if (stats.isDirectory()) {
      this.#checkMode('directory', path, subject, mode);
      this.listing.push({ path, type: 'directory', mode, size: 0, sha256: '' });
      for (const name of readdirSync(source)) {
        this.visit(join(source, name), path === '.' ? name : `${path}/${name}`);
      }
    } else if (stats.isFile() && path !== '.') {
      this.#checkMode('file', path, subject, mode);
      this.listing.push({ path, type: 'file', mode, ...this.#hash(source, subject) });
    } else {
      const expected = path === '.' ? 'a directory' : 'a file or a directory';
      this.problems.push({ path, what: `${subject} is ${kindOf(stats)}, expected ${expected}` });
    }
  }

  #checkMode(type: 'directory' | 'file', path: string, subject: string, mode: number): void {
    if (type === 'directory' ? mode === DIRECTORY_MODE : FILE_MODES.includes(mode)) return;
    const expected =
      type === 'directory' ? 'drwxr-xr-x (0755)' : '-rw-r--r-- (0644) or -rwxr-xr-x (0755)';
    this.problems.push({
      path,
      what: `${subject} is ${describeMode(type, mode)}, expected ${expected}`,
      hint: 'something changed modes after the release was installed; find out what before going on',
    });
  }

  /** Size and SHA-256 of the file as it is read, which must stay as it is meanwhile. */
  #hash(source: string, subject: string): { size: number; sha256: string } {
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
    const fd = openSync(source, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      const { size } = fstatSync(fd);
      const hash = new ContentHash(size);
      let total = 0;
      for (let read = 1; read > 0 && total <= size; total += read) {
        read = readSync(fd, this.#buffer, 0, READ_BYTES, null);
        hash.update(this.#buffer.subarray(0, read));
      }
      if (total !== size) {
        throw new ArchiveError('ARCHIVE_IO', `${subject} changed while it was read`);
      }
      return { size, sha256: hash.digest() };
    } finally {
      closeSync(fd);
    }
  }
}
