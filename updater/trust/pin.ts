/**
 * The pin: the root document that an operator trusts, a file beside the
 * configuration with its signatures. It is written once, by `updater init`;
 * signatures go first, so a crash leaves no document, or a whole one.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { writeFileDurably } from '@landfall/durable';
import { ExitCode, messageOf, OtaError } from '@landfall/errors';
import { rootPath } from '@landfall/manifest';
import { readPin, type SignedRoot } from '@landfall/mirrors';
import { UpdaterError } from '../errors.ts';

/** The document at `file`. Throws `UpdaterError` CONFIG when it is missing or signed by too few of its own keys. */
export async function readTrustedRoot(file: string, app: string): Promise<SignedRoot> {
  try {
    return await readPin(file, app);
  } catch (error) {
    if (!(error instanceof OtaError)) throw error;
    throw new UpdaterError('CONFIG', `'${file}' cannot be trusted: ${messageOf(error)}`, {
      cause: error,
      hint: error.hint ?? 'get it from the maintainers again, with its signatures beside it',
      exit: ExitCode.usage,
    });
  }
}

/** The node's pin. Throws `UpdaterError` CONFIG also when others can write it. */
export async function readPinnedRoot(file: string, app: string): Promise<SignedRoot> {
  const pin = await readTrustedRoot(file, app);
  if ((statSync(file).mode & 0o022) === 0) return pin;
  throw new UpdaterError('CONFIG', `root document '${file}' can be written by others`, {
    hint: `it says who is believed: chmod go-w ${file}, after a look at what is in it`,
  });
}

/** Puts the pin at `path`. Throws `UpdaterError` CONFIG when another document is there. */
export function placePin({ verified, files }: SignedRoot, path: string): void {
  if (existsSync(path) && !readFileSync(path).equals(verified.bytes)) {
    throw new UpdaterError('CONFIG', `'${path}' is there already, and is another root document`, {
      hint: 'move it and its signatures away first',
    });
  }
  const document = basename(rootPath(verified.root.version));
  for (const [name, bytes] of files) {
    const ending = basename(name).slice(document.length);
    writeFileDurably(join(dirname(path), `${basename(path)}${ending}`), bytes, { mode: 0o644 });
  }
}
