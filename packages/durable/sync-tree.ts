/**
 * Brings a whole tree to the disk at once: one `syncfs` of its file system, by
 * coreutils' `sync -f`, since Node has no call for it. A sync of each file costs
 * a journal commit and a cache flush for each, which for thousands of small
 * files is most of an update.
 *
 * What makes it as good as a sync of every file and folder is asked for first;
 * where any of it is missing, each is synced by itself. So is a small tree: a few
 * syncs take less than waiting for all that others wrote. A sync that fails is
 * not tried again, by neither way: the kernel tells of a lost page only once.
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
/** It also waits for what others have written; a disk that takes longer than this hangs. */
const LIMIT_MS = 10 * 60_000;
const MAX_TEXT = 4096;

/**
 * Syncs every file and directory below `directory`, and it. Links are not
 * followed. Throws `DurableError` WRITE_FAILED.
 */
export async function syncTree(directory: string): Promise<void> {
  const paths = pathsBelow(directory);
  const isBelieved = paths.length > FEW && tellsOfErrors(directory);
  const program = isBelieved ? await findSync() : undefined;
  if (program === undefined) {
    for (const { path, isFile } of paths) (isFile ? syncFile : syncDirectory)(path);
    return;
  }
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

/** Files and folders, what is in a folder before it. */
function pathsBelow(directory: string): { path: string; isFile: boolean }[] {
  let entries;
  try {
    entries = readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    throw writeFailed('read', directory, error);
  }
  const below = entries.flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return pathsBelow(path);
    return entry.isFile() ? [{ path, isFile: true }] : [];
  });
  return [...below, { path: directory, isFile: false }];
}

/** Runs `program` to its end, without our environment. `problem`: how it ended, in words, unless well. */
async function run(
  program: string,
  args: readonly string[],
): Promise<{ problem: string | undefined; output: string }> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const child = spawn(program, args, {
    cwd: '/',
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
