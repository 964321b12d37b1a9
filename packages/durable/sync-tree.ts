/**
 * Brings a whole tree to the disk at once: one `syncfs` of its file system, by
 * coreutils' `sync -f`, since Node has no call for it. A sync of each file costs
 * a journal commit and a cache flush for each, which for thousands of small
 * files is most of an update.
 *
 * What makes it as good as a sync of every file and folder is asked for first;
 * where any of it is missing, each is synced by itself. So is a small tree: a few
 * syncs take less than waiting for all that others wrote. A sync that fails, early
 * or at the end, is not tried again, by neither way: the kernel tells of a lost page
 * only once.
 *
 * Nothing is written. If the power goes before this returns, any part of the
 * tree may be missing: nothing else may name it yet.
 */
import { spawn } from 'node:child_process';
import { readdirSync, statfsSync } from 'node:fs';
import { release } from 'node:os';
import { join, resolve as absolute } from 'node:path';
import { DurableError, writeFailed } from './errors.ts';
import { syncDirectory, syncFile } from './files.ts';

const PROGRAMS = ['/usr/bin/sync', '/bin/sync'];
/**
 * File systems whose syncfs waits for data and names and then has the device
 * empty its cache (statfs(2): ext2 to ext4, XFS, btrfs). Others may do less, or nothing.
 */
const KNOWN_TYPES = [0xef53, 0x58465342, 0x9123683e];
/** Since Linux 5.8 syncfs tells when data could not be written. */
const TELLS_SINCE = [5, 8];
/** Files and folders up to which each is synced by itself. */
const FEW = 100;
/** Bytes that are not left to the sync at the end. */
const EARLY_BYTES = 96 * 1024 * 1024;
/** It also waits for what others have written; a disk that takes longer than this hangs. */
const LIMIT_MS = 10 * 60_000;
const MAX_TEXT = 4096;

/**
 * Syncs every file and directory below `directory`, and it. Links are not
 * followed. Throws `DurableError` WRITE_FAILED.
 */
export async function syncTree(directory: string): Promise<void> {
  await new TreeSync(directory).finish();
}

/**
 * Syncs a tree that is still being made: of a large one, what was written is on
 * its way to the disk while the rest is. What counts is the sync at the end.
 */
export class TreeSync {
  readonly #directory: string;
  readonly #onSynced: () => void;
  #program: Promise<string | undefined> | undefined;
  #written = 0;
  #early: Promise<void> | undefined;
  #error: unknown;

  /** `onSynced` is called whenever a file or folder was synced by itself, which keeps all else waiting. */
  constructor(directory: string, onSynced: () => void = () => {}) {
    this.#directory = directory;
    this.#onSynced = onSynced;
  }

  /** So many bytes more were written. */
  wrote(bytes: number): void {
    this.#written += bytes;
    if (this.#written < EARLY_BYTES || this.#early !== undefined) return;
    this.#written = 0;
    this.#early = this.#syncEarly().catch((error: unknown) => {
      this.#error = error;
    });
  }

  /** Syncs all of it. Throws `DurableError` WRITE_FAILED, also when an earlier sync failed. */
  async finish(): Promise<void> {
    await this.#early;
    if (this.#error !== undefined) throw this.#error;
    const directory = this.#directory;
    const program = hasMany(directory) ? await this.#believedProgram() : undefined;
    if (program !== undefined) return syncAll(program, directory);
    for (const { path, isFile } of pathsBelow(directory)) {
      (isFile ? syncFile : syncDirectory)(path);
      this.#onSynced();
    }
  }

  /** Once: a second one would wait for the first, and the one at the end is due soon. */
  async #syncEarly(): Promise<void> {
    const program = await this.#believedProgram();
    if (program !== undefined) await syncAll(program, this.#directory);
  }

  async #believedProgram(): Promise<string | undefined> {
    return tellsOfErrors(this.#directory) ? await (this.#program ??= findSync()) : undefined;
  }
}

async function syncAll(program: string, directory: string): Promise<void> {
  const { problem } = await run(program, ['-f', absolute(directory)]);
  if (problem === undefined) return;
  throw new DurableError('WRITE_FAILED', `cannot sync '${directory}': ${problem}`, {
    hint: 'check the disk with dmesg, then run the command again',
  });
}

/** Whether the kernel's syncfs of `directory` can be believed. */
function tellsOfErrors(directory: string): boolean {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  const [sinceMajor = 0, sinceMinor = 0] = TELLS_SINCE;
  const isNewEnough = major > sinceMajor || (major === sinceMajor && minor >= sinceMinor);
  try {
    return isNewEnough && KNOWN_TYPES.includes(statfsSync(directory).type);
  } catch (error) {
    throw writeFailed('sync', directory, error);
  }
}

/** The path of GNU's `sync`, if there is one. Others know no `-f`, or pass over what the call answers. */
async function findSync(): Promise<string | undefined> {
  for (const program of PROGRAMS) {
    const { problem, output } = await run(program, ['--version']);
    if (problem === undefined && output.includes('(GNU coreutils)')) return program;
  }
  return undefined;
}

function hasMany(directory: string): boolean {
  let count = 0;
  for (const _path of pathsBelow(directory)) {
    count += 1;
    if (count > FEW) return true;
  }
  return false;
}

/** Files and folders, what is in a folder before it. */
function* pathsBelow(directory: string): Generator<{ path: string; isFile: boolean }> {
  let entries;
  try {
    entries = readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    throw writeFailed('read', directory, error);
  }
  for (const entry of entries) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* pathsBelow(path);
    else if (entry.isFile()) yield { path, isFile: true };
  }
  yield { path: directory, isFile: false };
}

/** Runs `program` to its end, without our environment. `problem`: how it ended, in words, unless well. */
async function run(
  program: string,
  args: readonly string[],
): Promise<{ problem: string | undefined; output: string }> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const child = spawn(program, args, {
    cwd: '/',
    // Its end counts, not that of a terminal.
    detached: true,
    env: { LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(0, MAX_TEXT);
    });
  }
  child.once('error', (error) => resolve(error.message));
  child.once('close', (code, signal) => {
    if (code === 0) return resolve(undefined);
    const said = output.trim().split('\n').at(-1) ?? '';
    resolve(`'${program}' ended with ${signal ?? code}${said === '' ? '' : `: ${said}`}`);
  });
  return { problem: await promise, output };
}
