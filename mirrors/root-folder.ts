/**
 * Root documents on this machine: a pin (`root.json` with its signatures beside
 * it), and folders of steps (`root-<N>.json` with theirs): what a node keeps, and
 * what maintainers keep in their repository. Whatever is read is verified anew.
 */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readSync,
  readdirSync,
  type Stats,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { systemCode } from '@landfall/errors';
import { rootPath } from '@landfall/manifest';
import { OtaError } from '@landfall/errors';
import type { VerifiedRoot } from '@landfall/trust';
import { MirrorError } from './errors.ts';
import type { ReadIndexFile } from './signed-index.ts';
import { gatherFirstRoot, gatherNextRoot, type SignedRoot } from './signed-root.ts';

/** Steps of a folder, and why it ends where it does, if not because there is no further one. */
export interface KeptRoots {
  steps: SignedRoot[];
  problem?: OtaError;
}

/**
 * The document at `file`, chosen by a person. `accept` looks at the open file before it is read.
 * Throws `MirrorError` CONFIG, what `verifyFirstRoot` throws, and what `accept` does.
 */
export async function readPin(
  file: string,
  app: string,
  accept?: (info: Stats) => void,
): Promise<SignedRoot> {
  const document = basename(file);
  const read = readerOf(dirname(file), (name, info) => {
    if (name === document) accept?.(info);
  });
  const found = await gatherFirstRoot(document, app, read);
  if (found !== undefined) return found;
  throw new MirrorError('CONFIG', '', `root document '${file}': no such file`, {
    hint: 'it comes from the maintainers, with its signatures (.minisig) beside it',
  });
}

/** Steps after `pin` that `folder` holds, as far as they can be believed. */
export async function readKeptRoots(folder: string, pin: VerifiedRoot): Promise<KeptRoots> {
  const steps: SignedRoot[] = [];
  const read = readerOf(folder);
  for (let current = pin; ;) {
    try {
      const next = await gatherNextRoot(current, (path, max) => read(basename(path), max));
      if (next === undefined) return { steps };
      steps.push(next);
      current = next.verified;
    } catch (error) {
      if (!(error instanceof OtaError)) throw error;
      return { steps, problem: error };
    }
  }
}

/**
 * A folder that holds all documents from the oldest on, which is believed as a
 * pin is; without the newest while that waits for signatures. Throws `MirrorError` CONFIG when it holds none, or one that does not
 * follow; and what `verifyFirstRoot` throws.
 */
export async function readRootFolder(
  folder: string,
  app: string,
): Promise<{ first: SignedRoot; steps: SignedRoot[] }> {
  const versions = versionsIn(folder);
  const oldest = Math.min(...versions);
  if (versions.length === 0) {
    throw new MirrorError('CONFIG', '', `'${folder}' holds no root document`, {
      hint: `expected '${basename(rootPath(1))}' and its signatures in it`,
    });
  }
  const first = await readPin(join(folder, basename(rootPath(oldest))), app);
  const { steps, problem } = await readKeptRoots(folder, first.verified);
  const reached = oldest + steps.length;
  const newest = Math.max(...versions);
  if (reached === newest) return { first, steps };
  if (problem !== undefined) {
    // The newest waits for signatures: until it has them, the one before counts.
    if (problem.code === 'UNTRUSTED' && reached + 1 === newest) return { first, steps };
    throw problem;
  }
  throw new MirrorError(
    'CONFIG',
    '',
    `'${folder}' lacks root document ${reached + 1}: found versions ${oldest} to ${reached}, and ${newest}`,
    { hint: 'every version is kept: bring it back from version control or from a mirror' },
  );
}

function versionsIn(folder: string): number[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
  return names.flatMap((name) => {
    const version = /^root-([1-9]\d{0,8})\.json$/.exec(name)?.[1];
    return version === undefined ? [] : [Number(version)];
  });
}

/** `look` is told of each file when it is open. */
function readerOf(folder: string, look?: (name: string, info: Stats) => void): ReadIndexFile {
  return async (name, maxBytes) =>
    readSmall(join(folder, name), maxBytes, (info) => look?.(name, info));
}

/** Only regular files, and never more than they may hold. */
function readSmall(
  path: string,
  maxBytes: number,
  look: (info: Stats) => void,
): Uint8Array | undefined {
  const wrong = (what: string): MirrorError =>
    new MirrorError('CONFIG', '', `'${path}': ${what}`, { hint: 'look at the file' });
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw wrong(`cannot be read: ${systemCode(error) ?? 'for a reason unknown'}`);
  }
  try {
    const info = fstatSync(fd);
    look(info);
    if (!info.isFile()) throw wrong('expected a regular file');
    const bytes = Buffer.alloc(maxBytes + 1);
    let length = 0;
    for (;;) {
      const count = readSync(fd, bytes, length, bytes.length - length, length);
      length += count;
      if (length > maxBytes) throw wrong(`larger than ${maxBytes} bytes`);
      if (count === 0) return Uint8Array.from(bytes.subarray(0, length));
    }
  } finally {
    closeSync(fd);
  }
}
