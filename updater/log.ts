/**
 * `<state>/logs/<time>/`: what services printed and what probes saw, a folder
 * for each activation. For people; nothing is decided from it, and a disk that
 * does not take it must not stop a rollback.
 */
import { appendFileSync, closeSync, mkdirSync, openSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** Folders that are kept. */
const KEPT_LOGS = 20;

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
      const folders = readdirSync(this.#logs).toSorted();
      for (const name of folders.slice(0, Math.max(0, folders.length - KEPT_LOGS))) {
        rmSync(join(this.#logs, name), { recursive: true, force: true });
      }
    } catch {
      // As above.
    }
  }

  #path(name: string): string {
    if (this.#folder === undefined) {
      const time = new Date().toISOString().replaceAll(':', '-');
      this.#folder = join(this.#logs, time);
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    }
    return join(this.#folder, `${name}.log`);
  }
}
