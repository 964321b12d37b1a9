/**
 * The pin: the root document that an operator trusts, a file beside the
 * configuration with its signatures. It is written once, by `updater init`;
 * signatures go first, so a crash leaves no document, or a whole one.
 */
import { existsSync, readFileSync, type Stats } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { writeFileDurably } from '@landfall/durable';
import { ExitCode, messageOf, OtaError } from '@landfall/errors';
import { rootPath } from '@landfall/manifest';
import { readPin, type SignedRoot } from '@landfall/mirrors';
import { UpdaterError } from '../errors.ts';
import { requireOwn } from '../own-file.ts';

/**
 * The document at `file`; `accept` is told of the open file before it is read. Throws
 * `UpdaterError` CONFIG when it is missing or signed by too few of its own keys.
 */
export async function readTrustedRoot(
  file: string,
  app: string,
  accept?: (info: Stats) => void,
): Promise<SignedRoot> {
  try {
    return await readPin(file, app, accept);
  } catch (error) {
    if (!(error instanceof OtaError) || error instanceof UpdaterError) throw error;
    throw new UpdaterError('CONFIG', `'${file}' cannot be trusted: ${messageOf(error)}`, {
      cause: error,
      hint: error.hint ?? 'get it from the maintainers again, with its signatures beside it',
      exit: ExitCode.usage,
    });
  }
}

/** The node's pin. Throws `UpdaterError` CONFIG also when others own it or can write it. */
export async function readPinnedRoot(file: string, app: string): Promise<SignedRoot> {
  return readTrustedRoot(file, app, (info) =>
    requireOwn(info, { file, what: 'root document', why: 'it says who is believed' }),
  );
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
