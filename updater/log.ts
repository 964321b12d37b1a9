/**
 * `<state>/logs/<time>/`: what services printed and what probes saw, a folder
 * for each activation; looks at what runs, which may come every half minute for
 * months, share one. For people; nothing is decided from it, and a disk that
 * does not take it must not stop a rollback.
 */
import { appendFileSync, closeSync, mkdirSync, openSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { nextTimeName, pruneFolders } from './dated-folders.ts';

/** Folders that are kept. */
const KEPT_LOGS = 20;
/** All that a look at what runs leaves, and how large it may get. */
const LOOKS = 'probe.log';
const MAX_LOOKS_BYTES = 256 * 1024;

/** The logs of one run; their folder (mode 0700) comes with the first line, or is that of earlier looks. None need succeed. */
export class ActivationLog {
  readonly #logs: string;
  #folder: string | undefined;

  constructor(logs: string) {
    this.#logs = logs;
  }

  /** The folder of this run; undefined before anything was written. */
  get folder(): string | undefined {
    return this.#folder;
  }

  /** Appends `line`, with the time, to `<name>.log`. */
  write(name: string, line: string): void {
    try {
      appendFileSync(this.#path(name), `${new Date().toISOString()} ${line}\n`, { mode: 0o600 });
    } catch {
      // Whatever is being done matters more than its log.
    }
  }

  /** Runs `use` with a descriptor for a program's output, or 'ignore' when none can be had. */
  async withOutput<T>(name: string, use: (output: number | 'ignore') => Promise<T>): Promise<T> {
    let fd: number | undefined;
    try {
      fd = openSync(this.#path(name), 'a', 0o600);
    } catch {
      // As above.
    }
    try {
      return await use(fd ?? 'ignore');
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }

  /** Removes the oldest folders. */
  prune(): void {
    try {
      pruneFolders(this.#logs, KEPT_LOGS);
    } catch {
      // As above.
    }
  }

  #path(name: string): string {
    if (this.#folder === undefined) {
      this.#folder = this.#looksFolder() ?? join(this.#logs, nextTimeName(this.#logs));
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      this.prune();
    }
    return join(this.#folder, `${name}.log`);
  }
  /** The newest folder, where nothing but a few looks is in it. */
  #looksFolder(): string | undefined {
    try {
      const newest = readdirSync(this.#logs).toSorted().at(-1);
      if (newest === undefined) return undefined;
      const folder = join(this.#logs, newest);
      const [first, ...others] = readdirSync(folder);
      if (first !== LOOKS || others.length > 0) return undefined;
      return statSync(join(folder, first)).size < MAX_LOOKS_BYTES ? folder : undefined;
    } catch {
      return undefined; // There is none yet.
    }
  }
}
