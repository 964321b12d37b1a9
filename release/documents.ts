/**
 * Documents that people sign: what a file is, what it says, and who may sign
 * it. Only canonical bytes are taken, so that what is shown is all there is in
 * what gets signed. Changes nothing.
 */
import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Manifest,
  MAX_MANIFEST_BYTES,
  parseManifest,
  serializeManifest,
} from '@landfall/manifest';
import { ReleaseError } from './errors.ts';
import { readSmallFile } from './files.ts';
import { commentOf } from './waiting.ts';

/** A document to be signed. */
export interface Signable {
  readonly path: string;
  readonly bytes: Uint8Array;
  /** SHA-256 of `bytes`, in hex. */
  readonly sha256: string;
  readonly app: string;
  /** The channel whose keys sign it. */
  readonly channel: string;
  /** What it is, in a few words. */
  readonly title: string;
  /** What signing it does, line by line. */
  readonly says: readonly string[];
  /** The trusted comment of its signatures. */
  readonly comment: string;
}

/** Reads the document at `path`, or the one in that folder. Throws `ReleaseError` NOT_SIGNABLE. */
export function readSignable(path: string): Signable {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  const file = isFolder ? join(path, 'manifest.json') : path;
  if (!existsSync(file)) {
    throw notSignable(file, 'there is no such file', 'give the path of what you were sent');
  }
  const bytes = Uint8Array.from(readSmallFile(file, MAX_MANIFEST_BYTES) ?? []);
  const manifest = parseManifest(bytes);
  requireCanonical(file, bytes, serializeManifest(manifest));
  return {
    path: file,
    bytes,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    app: manifest.app,
    channel: manifest.channel,
    title: `manifest of ${manifest.app} ${manifest.version} (channel ${manifest.channel}, sequence ${manifest.sequence})`,
    says: describeManifest(manifest),
    comment: commentOf(manifest),
  };
}

/** Throws `ReleaseError` NOT_SIGNABLE for bytes that are not those we would have written. */
function requireCanonical(path: string, bytes: Uint8Array, canonical: Uint8Array): void {
  if (Buffer.from(bytes).equals(canonical)) return;
  throw notSignable(
    path,
    'it is not written the way release writes it',
    'sign the file as it was made; an editor or a mail program may have changed it',
  );
}

function notSignable(path: string, why: string, hint: string): ReleaseError {
  return new ReleaseError('NOT_SIGNABLE', `'${path}' cannot be signed: ${why}`, { hint });
}

function describeManifest(manifest: Manifest): string[] {
  const { commit, published, expires, previous, withdrawn, components } = manifest;
  return [
    `commit:    ${commit === '' ? 'none' : commit}`,
    `published: ${published}, expires ${expires}`,
    `follows:   ${previous === null ? 'nothing, it is the first' : `sequence ${previous.sequence}, sha256 ${previous.sha256}`}`,
    `withdrawn: ${withdrawn.length === 0 ? 'none' : withdrawn.join(', ')}`,
    ...components.flatMap(({ artifacts }) =>
      artifacts.map(
        ({ file, size, sha256 }) => `artifact:  ${file}, ${size} bytes, sha256 ${sha256}`,
      ),
    ),
  ];
}
