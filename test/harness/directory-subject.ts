/** A folder as a subject of the mirrors' conformance suite. */
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openMirrors, openWritableMirrors, type WritableMirror } from '@landfall/mirrors';
import { MARKER_FILE } from '../../mirrors/layout.ts';
import type { Subject } from '../mirrors/conformance.ts';
import { temporaryFolder } from './temporary.ts';

/** A new folder that is a mirror with nothing in it, for other users to read. */
export function emptyMirror(): string {
  const path = temporaryFolder();
  chmodSync(path, 0o755);
  mkdirSync(join(path, 'releases'));
  writeFileSync(join(path, MARKER_FILE), '{}\n');
  return path;
}

export function directoryWriter(path: string): WritableMirror {
  const [writer] = openWritableMirrors([{ type: 'directory', path }]);
  if (writer === undefined) throw new Error('no mirror was opened');
  return writer;
}

/** Both sides of the mirror at `path`, which readers find at `url` if there is one. */
export function directorySubject(path: string, url?: string): Subject {
  const config = { type: 'directory' as const, path, ...(url === undefined ? {} : { url }) };
  const [writer] = openWritableMirrors([config]);
  const [reader] = openMirrors([config]);
  if (writer === undefined || reader === undefined) throw new Error('no mirror was opened');
  const folder = (version: string): string => join(path, 'releases/download', `v${version}`);
  return {
    reader,
    writer,
    plant: async (version, file, bytes) => writeFileSync(join(folder(version), file), bytes),
    copies: async (version, file) =>
      existsSync(folder(version))
        ? readdirSync(folder(version)).filter((each) => each.includes(file)).length
        : 0,
    close: async () => undefined,
  };
}
