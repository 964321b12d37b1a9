/**
 * The plan of a tree while it grows: what the scan found, put in its place,
 * and every problem met on the way. It refuses at the end, all at once.
 */
import { type Stats } from 'node:fs';
import { ArchiveError, type Problem } from './errors.ts';
import { type Excludes } from './globs.ts';
import { DEFAULT_LIMITS, MAX_ALL_PATH_BYTES } from './limits.ts';
import { describeMode, DIRECTORY_MODE } from './modes.ts';
import { foldPath, parentOf, quotePath } from './names.ts';
import { compareEntries } from './tree.ts';

/** One entry to pack. */
export interface PlanEntry {
  /** Path in the archive, `.` for the root. */
  path: string;
  type: 'directory' | 'file';
  /** 0o755, or 0o644 for a file that nobody may execute. */
  mode: number;
  /** Bytes; 0 for a directory. */
  size: number;
  /** Where it is read from (`sourcePath`) and what it was like; undefined for a folder that is made. */
  source: { part: PartRoot; inode: number; changedMs: number } | undefined;
}

/** The folder or file `root` of the disk, which stands at the path `at` of the archive. Entries of one part share it. */
export interface PartRoot {
  root: string;
  at: string;
}

/** Where on the disk the part has what goes to `path`. */
export function sourcePath({ root, at }: PartRoot, path: string): string {
  if (path === at) return root;
  const below = at === '.' ? path : path.slice(at.length + 1);
  return root.endsWith('/') ? `${root}${below}` : `${root}/${below}`;
}

/** A tree that may be packed: every entry, and where its bytes come from. */
export interface TreePlan {
  /** The root first, then byte order of paths. */
  entries: readonly PlanEntry[];
  /** Bytes of all files. */
  size: number;
  /** Lines worth telling: modes that were normalised, excludes that matched nothing. */
  warnings: readonly string[];
}

/** The plan while it grows; `scan.ts` fills it. */
export class Draft {
  readonly #entries = new Map<string, PlanEntry>();
  readonly #problems: Problem[] = [];
  /** What not everybody may read, with its mode on the disk; of folders of one path the first. */
  readonly #closed = new Map<string, number>();
  readonly #excludes: Excludes;

  constructor(excludes: Excludes) {
    this.#excludes = excludes;
    this.#entries.set('.', directory('.'));
  }

  isExcluded(path: string): boolean {
    return this.#excludes.matches(path);
  }

  refuse(problem: Problem): void {
    this.#problems.push(problem);
  }

  makeParents(path: string): void {
    for (let at = parentOf(path); at !== '.'; at = parentOf(at)) {
      const there = this.#entries.get(at);
      if (there === undefined) this.#entries.set(at, directory(at));
      else if (there.type === 'file') this.#collide(there, path);
    }
  }

  /** Adds what `part` has for `path`, of a type that travels. */
  add(path: string, part: PartRoot, stats: Stats): void {
    const type = stats.isDirectory() ? 'directory' : 'file';
    const entry: PlanEntry = {
      path,
      type,
      mode: type === 'directory' || (stats.mode & 0o111) !== 0 ? DIRECTORY_MODE : 0o644,
      size: type === 'file' ? stats.size : 0,
      source: { part, inode: stats.ino, changedMs: stats.ctimeMs },
    };
    const there = this.#entries.get(path);
    if (there !== undefined && (there.type !== 'directory' || type !== 'directory')) {
      this.#collide(there, sourcePath(part, path));
      return;
    }
    const needed = type === 'directory' ? 0o055 : 0o044;
    if ((stats.mode & needed) !== needed && !this.#closed.has(path)) {
      this.#closed.set(path, stats.mode & 0o7777);
    }
    this.#entries.set(path, entry);
  }

  #collide({ path, source }: PlanEntry, second: string): void {
    const first = source === undefined ? 'a folder' : sourcePath(source.part, path);
    this.refuse({
      path,
      what: `${quotePath(path)} comes from two parts: ${quotePath(first)} and ${quotePath(second)}`,
      hint: 'exclude one of them, or put one part elsewhere',
    });
  }

  finish(): TreePlan {
    const entries = [...this.#entries.values()].toSorted(compareEntries);
    this.#findTwins(entries);
    const size = this.#checkSizes(entries);
    if (this.#problems.length > 0) throw unpackable(this.#problems);
    return { entries, size, warnings: this.#warnings(entries) };
  }

  /** Below twin folders everything is a twin: only the topmost pair is told. */
  #findTwins(entries: readonly PlanEntry[]): void {
    // Two that are the same when folded and not as they are: one of them at least is not folded.
    const changed = entries.flatMap(({ path }) => {
      const folded = foldPath(path);
      return folded === path ? [] : [folded];
    });
    const candidates = new Set(changed);
    const seen = new Map<string, string>();
    for (const { path } of candidates.size === 0 ? [] : entries) {
      const folded = foldPath(path);
      if (!candidates.has(folded)) continue;
      const other = seen.get(folded);
      if (other === undefined) seen.set(folded, path);
      else if (parentOf(other) === parentOf(path)) {
        this.refuse({ path, what: twinProblem(other, path), hint: 'rename one of them' });
      }
    }
  }

  #checkSizes(entries: readonly PlanEntry[]): number {
    const { maxEntries, maxFileBytes, maxTotalBytes } = DEFAULT_LIMITS;
    let size = 0;
    for (const entry of entries) {
      size += entry.size;
      if (entry.size <= maxFileBytes) continue;
      const what = `${quotePath(entry.path)} is too large: expected at most ${maxFileBytes} bytes, found ${entry.size}`;
      this.refuse({ path: entry.path, what });
    }
    if (entries.length > maxEntries) {
      const what = `the tree has too many entries: expected at most ${maxEntries}, found ${entries.length}`;
      this.refuse({ path: undefined, what });
    }
    const paths = entries.reduce((sum, entry) => sum + pathBytes(entry), 0);
    if (paths > MAX_ALL_PATH_BYTES) {
      const what = `the tree has too long paths: expected at most ${MAX_ALL_PATH_BYTES} bytes in all, found ${paths}`;
      this.refuse({ path: undefined, what });
    }
    if (size > maxTotalBytes) {
      const what = `the tree is too large: expected at most ${maxTotalBytes} bytes, found ${size}`;
      this.refuse({ path: undefined, what });
    }
    return size;
  }

  #warnings(entries: readonly PlanEntry[]): string[] {
    const warnings = this.#excludes
      .unused()
      .map((pattern) => `exclude ${quotePath(pattern)} matches nothing`);
    const root = this.#closed.get('.');
    if (root !== undefined) {
      warnings.push(
        `the root directory is ${describeMode('directory', root)} on disk, packed as ${describeMode('directory', DIRECTORY_MODE)}`,
      );
    }
    const others = entries.filter(({ path }) => path !== '.' && this.#closed.has(path));
    const [first] = others;
    if (first !== undefined) {
      warnings.push(
        `${others.length} ${others.length === 1 ? 'entry is' : 'entries are'} not readable by everyone on disk, packed as 0755 or 0644; the first is ${quotePath(first.path)}`,
      );
    }
    return warnings;
  }
}

function directory(path: string): PlanEntry {
  return { path, type: 'directory', mode: DIRECTORY_MODE, size: 0, source: undefined };
}

/** What a reader of the archive counts: the path as it is stored (`./`, `./a/`, `./a/b`), and one more. */
function pathBytes({ path, type }: PlanEntry): number {
  if (path === '.') return 3;
  return Buffer.byteLength(path) + (type === 'directory' ? 4 : 3);
}

/** Two paths that some file system takes for one, in words. */
export function twinProblem(a: string, b: string): string {
  const same = a.normalize('NFC') === b.normalize('NFC') ? 'Unicode form' : 'case';
  return `${quotePath(a)} and ${quotePath(b)} differ only in ${same}`;
}

/** Paths named in the message; `problems` of the error holds all of them. */
const MOST_NAMED = 100;

/** ARCHIVE_UNPACKABLE for `problems`, with the hints they share. */
export function unpackable(problems: readonly Problem[]): ArchiveError {
  const hints = [...new Set(problems.flatMap((problem) => problem.hint ?? []))];
  const named = problems.slice(0, MOST_NAMED).map((problem) => problem.what);
  if (problems.length > named.length) named.push(`and ${problems.length - named.length} more`);
  return new ArchiveError('ARCHIVE_UNPACKABLE', `the tree cannot be packed: ${named.join('; ')}`, {
    problems,
    hint: hints.length === 0 ? undefined : hints.join('; '),
  });
}
