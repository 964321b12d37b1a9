/**
 * What may travel (docs/formats.md), checked entry by entry on what the
 * second reader found. One set of rules for the gate and for extraction, which
 * both list several problems.
 *
 * Whatever else is wrong, a root directory that is missing or not `drwxr-xr-x`
 * is told first.
 */
import { kindOfFlag } from './entry-kinds.ts';
import { ArchiveError, refused, type Problem } from './errors.ts';
import type { ArchiveLimits } from './limits.ts';
import { describeMode, DIRECTORY_MODE, FILE_MODES } from './modes.ts';
import {
  compareBytes,
  foldPath,
  parentOf,
  pathProblem,
  quotePath,
  resolvesToRoot,
} from './names.ts';
import type { TarEntry } from './tar-reader.ts';

/** Problems kept; the rest is counted. */
const MOST_KEPT = 100;
/** Problems named in one message. */
const MOST_NAMED = 4;

/** An entry that follows all rules. */
export interface Accepted {
  path: string;
  type: 'directory' | 'file';
  mode: number;
  size: number;
}

/** The rules over one archive: `check` each entry, then `finish`, which throws ARCHIVE_REFUSED. */
export class TreeRules {
  readonly #subject: string;
  readonly #limits: ArchiveLimits;
  readonly #problems: Problem[] = [];
  #total = 0;
  #rootProblem: Problem | undefined;
  #thrown: ArchiveError | undefined;
  /** Folded path → the path, with a slash at its end for a directory. One string where nothing folds. */
  readonly #seen = new Map<string, string>();
  #first: string | undefined;
  #hasRoot = false;
  #last = '';
  /** A folder that came: most paths have the parent of the one before. */
  #parent = '.';
  #bytes = 0;

  constructor(subject: string, limits: ArchiveLimits) {
    this.#subject = subject;
    this.#limits = limits;
  }

  /** The entry, if it follows the rules; otherwise a problem is kept. */
  check(entry: TarEntry): Accepted | undefined {
    const before = this.#total;
    const type = entry.flag === '5' ? 'directory' : 'file';
    this.#first ??= `${quotePath(entry.name)} ${kindOfFlag(entry.flag) ?? describeMode(type, entry.mode)}`;
    if (entry.index > this.#limits.maxEntries) {
      this.#stop(`has more than ${this.#limits.maxEntries} entries`);
    }
    const kind = kindOfFlag(entry.flag);
    if (kind !== undefined) {
      this.#reportKind(entry, kind);
      return undefined;
    }
    const isRoot = resolvesToRoot(entry.name);
    const path = isRoot ? '.' : entry.name.slice(2).replace(/\/$/, '');
    if (isRoot) this.#checkRoot(entry);
    else this.#checkPath(entry, path, type);
    this.#checkOwner(entry, path);
    this.#checkSize(entry, path, type);
    return this.#total === before ? { path, type, mode: entry.mode, size: entry.size } : undefined;
  }

  /** Call after the last entry. Throws when there was any problem. */
  finish(): void {
    if (!this.#hasRoot) {
      this.#rootProblem = {
        path: '.',
        what: `has no root directory: expected './' drwxr-xr-x (0755) first, found ${this.#first ?? 'nothing'}`,
        hint: ROOT_HINT,
      };
      this.#report(this.#rootProblem);
    }
    if (this.#total > 0) throw this.#error();
  }

  /** What to throw when `error` ended the reading: what the rules found before it is told too, and first. */
  explain(error: unknown): unknown {
    if (error === this.#thrown || this.#total === 0) return error;
    if (!(error instanceof ArchiveError) || error.code !== 'ARCHIVE_REFUSED') return error;
    for (const problem of error.problems) this.#report(problem);
    return this.#error(error);
  }

  #reportKind(entry: TarEntry, kind: string): void {
    const target = entry.linkName === '' ? '' : ` to ${quotePath(entry.linkName)}`;
    this.#report({
      path: entry.name,
      what: `${quotePath(entry.name)} is ${kind}${target}, expected a file or a directory`,
      hint: "pack it with 'release build': only files and directories travel",
    });
  }

  #checkRoot(entry: TarEntry): void {
    const spelled = quotePath(entry.name);
    if (entry.flag === '5' && entry.mode !== DIRECTORY_MODE) {
      this.#rootProblem ??= {
        path: '.',
        what: `root directory ${spelled} is ${describeMode('directory', entry.mode)}, expected drwxr-xr-x (0755)`,
        hint: ROOT_HINT,
      };
      this.#report(this.#rootProblem);
    }
    if (entry.name !== './') {
      const what = `root directory is spelled ${spelled}, expected './'`;
      this.#report({ path: '.', what, hint: ROOT_HINT });
    }
    if (entry.flag === '0') {
      this.#report({ path: '.', what: `${spelled} is a file, expected a directory` });
    }
    if (this.#hasRoot) this.#report({ path: '.', what: `${spelled} is there twice` });
    else if (entry.index > 1) {
      const what = `root directory ${spelled} is entry ${entry.index}, expected to be the first`;
      this.#report({ path: '.', what, hint: ROOT_HINT });
    }
    this.#hasRoot = true;
  }

  #checkPath(entry: TarEntry, path: string, type: 'directory' | 'file'): void {
    const spelled = (): string => quotePath(entry.name);
    if (!entry.name.startsWith('./')) {
      const wrong = pathProblem(entry.name.replace(/\/$/, ''), this.#limits);
      const what = `${spelled()} ${wrong ?? "does not start with './'"}`;
      this.#report({ path: entry.name, what, hint: ROOT_HINT });
      return;
    }
    if (entry.name.endsWith('/') !== (type === 'directory')) {
      const what = `${spelled()} is a ${type}, expected ${type === 'file' ? 'no' : 'a'} slash at its end`;
      this.#report({ path, what });
    }
    const wrong = pathProblem(path, this.#limits);
    if (wrong === undefined) this.#checkPlace(path, type);
    else this.#report({ path, what: `${spelled()} ${wrong}` });
    const isModeGood =
      type === 'directory' ? entry.mode === DIRECTORY_MODE : FILE_MODES.includes(entry.mode);
    if (isModeGood) return;
    const expected =
      type === 'directory' ? 'drwxr-xr-x (0755)' : '-rw-r--r-- (0644) or -rwxr-xr-x (0755)';
    const what = `${spelled()} is ${describeMode(type, entry.mode)}, expected ${expected}`;
    this.#report({ path, what, hint: MODE_HINT });
  }

  /** Order, duplicates, twins, and a parent that came before. */
  #checkPlace(path: string, type: 'directory' | 'file'): void {
    const folded = foldPath(path);
    const other = this.#seen.get(folded);
    if (other !== undefined) {
      const what =
        other.replace(/\/$/, '') === path
          ? `${quotePath(path)} is there twice`
          : `${quotePath(other.replace(/\/$/, ''))} and ${quotePath(path)} differ only in case or Unicode form`;
      this.#report({ path, what });
      return;
    }
    this.#seen.set(folded, type === 'directory' ? `${path}/` : path);
    if (compareBytes(path, this.#last) <= 0) {
      const what = `${quotePath(path)} comes after ${quotePath(this.#last)}, expected byte order of paths`;
      this.#report({ path, what, hint: MODE_HINT });
    } else {
      this.#last = path;
    }
    const parent = parentOf(path);
    if (parent === '.' || parent === this.#parent) return;
    const found = this.#seen.get(foldPath(parent));
    if (found === `${parent}/`) {
      this.#parent = parent;
      return;
    }
    const state = found === parent ? 'is a file' : 'is not there';
    this.#report({
      path,
      what: `${quotePath(path)} has a parent that ${state}: ${quotePath(parent)}`,
    });
  }

  #checkOwner(entry: TarEntry, path: string): void {
    const { uid, gid, userName, groupName } = entry;
    if (uid === 0 && gid === 0 && userName === '' && groupName === '') return;
    const names =
      userName === '' && groupName === '' ? '' : ` (${quotePath(`${userName}:${groupName}`)})`;
    const what = `${quotePath(entry.name)} belongs to ${uid}:${gid}${names}, expected 0:0 without names`;
    this.#report({ path, what, hint: OWNER_HINT });
  }

  #checkSize(entry: TarEntry, path: string, type: 'directory' | 'file'): void {
    if (type === 'directory' && entry.size !== 0) {
      this.#report({ path, what: `${quotePath(entry.name)} is a directory with content` });
    }
    if (entry.linkName !== '') {
      this.#report({ path, what: `${quotePath(entry.name)} is a ${type} with a link target` });
    }
    if (entry.size > this.#limits.maxFileBytes) {
      this.#stop(`${quotePath(entry.name)} is larger than ${this.#limits.maxFileBytes} bytes`);
    }
    this.#bytes += entry.size;
    if (this.#bytes > this.#limits.maxTotalBytes) {
      this.#stop(`holds more than ${this.#limits.maxTotalBytes} bytes`);
    }
  }

  #report(problem: Problem): void {
    this.#total += 1;
    if (this.#problems.length < MOST_KEPT) this.#problems.push(problem);
  }

  /** A cap was reached: nothing more is read. */
  #stop(what: string): never {
    this.#report({
      path: undefined,
      what,
      hint: 'nodes accept no more in one component; split it, or leave something out',
    });
    throw this.#error();
  }

  #error(cause?: unknown): ArchiveError {
    const root = this.#rootProblem;
    const others = this.#problems.filter((problem) => problem !== root);
    const problems = root === undefined ? others : [root, ...others];
    this.#thrown = refused(this.#subject, problems, {
      total: this.#total,
      named: root === undefined ? MOST_NAMED : 1,
      ...(cause === undefined ? {} : { cause }),
    });
    return this.#thrown;
  }
}

const ROOT_HINT =
  "pack it with 'release build'; by hand: chmod 0755 the folder, then run the tar command of docs/formats.md";
const MODE_HINT = "pack it with 'release build', which normalises modes and order";
const OWNER_HINT = "pack it with 'release build'; by hand: tar --owner=0 --group=0 --numeric-owner";
