/**
 * Looks at a release with the rights of another user, in a process of its own:
 * root's look would prove nothing. The process takes as long to start as to
 * look, so it may be started before it is known what at, while the release is
 * unpacked; until it is told, it waits and does nothing.
 *
 * Nothing is written. A crash of this process ends the other one: its input ends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, lstatSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { describeMode } from '@landfall/archive';
import { describeSystemError, messageOf } from '@landfall/errors';
import { UpdaterError } from '../errors.ts';
import { ownProgram } from '../own-program.ts';
import { GATE_FLAG } from '../program.ts';

const LOOK_TIMEOUT_MS = 300_000;
const MAX_PROBLEMS = 5;
const MAX_TEXT = 2000;
const BYTE = Buffer.alloc(1);
const INPUT = 0;

/** A user of this machine, with the numbers that a process takes on to look as that user. */
export interface User {
  name: string;
  uid: number;
  /** The first is the one it logs in with. */
  groups: number[];
}

/** What the other process is told, in JSON. */
interface Task extends Pick<User, 'uid' | 'groups'> {
  folder: string;
}

/** One process, for one look. */
export class LookApart {
  #child: ChildProcess | undefined;
  #ended: Promise<string> | undefined;

  /** Starts the process, if it was not; it waits until it is told what to look at, or is ended. */
  start(): void {
    if (this.#child !== undefined) return;
    const [program = '', ...own] = ownProgram();
    // In a session of its own: a terminal that goes away does not end it (`told-to-stop.ts`).
    const child = spawn(program, [...own, GATE_FLAG], { env: {}, cwd: '/', detached: true });
    this.#child = child;
    this.#ended = outputOf(child);
    // A failure is met by the look, if there is one.
    this.#ended.catch(() => undefined);
    child.stdin.on('error', () => undefined);
  }

  /**
   * Why `user` cannot read `folder` and all below it, in at most a few phrases.
   * Throws `UpdaterError` WEB_USER when the process does not do its work.
   */
  async look({ name, uid, groups }: User, folder: string): Promise<string[]> {
    this.start();
    const timer = setTimeout(() => this.end(), LOOK_TIMEOUT_MS);
    this.#child?.stdin?.end(JSON.stringify({ uid, groups, folder } satisfies Task));
    try {
      return JSON.parse((await this.#ended) ?? '') as string[];
    } catch (error) {
      const what = `could not look at the release as '${name}': ${messageOf(error)}`;
      throw new UpdaterError('WEB_USER', what, {
        hint: "what runs stays, and a later check tries again; a process that is killed took five minutes, or memory ran out: 'journalctl -k'",
        cause: error,
      });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the process, whatever it does. */
  end(): void {
    this.#child?.kill('SIGKILL');
  }
}

/** What it prints. Rejects when it cannot be started, or ends otherwise than with 0. */
function outputOf(child: ChildProcess): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let output = '';
  let errors = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-MAX_TEXT);
  });
  child.once('error', reject);
  child.once('close', (code, signal) => {
    if (code === 0) return resolve(output);
    const last = errors.trim().split('\n').at(-1) ?? '';
    reject(new Error(last === '' ? `it ended with ${signal ?? code}` : last));
  });
  return promise;
}

/** The other side: waits for its task, lays down its rights, looks, prints a JSON list of problems. */
export function runLook(): void {
  const text = readFileSync(INPUT, 'utf8');
  // Whoever started it has no use for it any more.
  if (text === '') return;
  const { uid, groups, folder } = JSON.parse(text) as Task;
  process.setgroups?.(groups);
  // What it may open is the user's to say, from now on. The process itself stays root's: a
  // web server that was taken over must not end the look that comes before its repair.
  process.setegid?.(groups[0] ?? -1);
  process.seteuid?.(uid);
  process.stdout.write(JSON.stringify(findUnreadable(folder, { enter: true })));
}

/**
 * Why this process cannot read `folder` and all below it, in at most a few phrases. With `enter`
 * it goes there first: thousands of paths from the root of the file system take a third longer.
 */
export function findUnreadable(folder: string, { enter = false } = {}): string[] {
  const problems: string[] = [];
  walk(folder, '.', problems, () => {
    if (!enter) return `${folder}/`;
    process.chdir(folder);
    return '';
  });
  return problems;
}

/** `inside` tells how the paths of what is in a folder begin. */
function walk(
  path: string,
  name: string,
  problems: string[],
  inside = (folder: string): string => `${folder}/`,
): void {
  if (problems.length >= MAX_PROBLEMS) return;
  try {
    const stat = lstatSync(path);
    const mode = stat.mode & 0o7777;
    const type = stat.isDirectory() ? 'directory' : 'file';
    const allowed = stat.isDirectory() ? [0o755] : stat.isFile() ? [0o644, 0o755] : [];
    if (!allowed.includes(mode)) {
      problems.push(`'${name}': expected a plain release mode, found ${describeMode(type, mode)}`);
      return;
    }
    if (stat.isFile()) return readOneByte(path);
    const [from, inner] = [inside(path), name === '.' ? '' : `${name}/`];
    for (const each of readdirSync(from === '' ? '.' : path)) {
      walk(`${from}${each}`, `${inner}${each}`, problems);
    }
  } catch (error) {
    problems.push(`'${name}': ${describeSystemError(error)?.what ?? messageOf(error)}`);
  }
}

function readOneByte(path: string): void {
  const fd = openSync(path, 'r');
  try {
    readSync(fd, BYTE, 0, 1, 0);
  } finally {
    closeSync(fd);
  }
}
