/**
 * Keeps the manifest that is about to be replaced in a directory mirror: with
 * its signatures, in the channel's `history` folder, before anything of the new
 * one is written. What is kept is never written again, so a run that was cut off
 * between two files of the new index spoils nothing. A crash leaves signatures
 * without their manifest, which the next run completes.
 */
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { crashPoint } from '@landfall/cli';
import { makeDirectoryDurably, writeFileDurably } from '@landfall/durable';
import { MAX_MANIFEST_BYTES, ManifestError, parseManifest } from '@landfall/manifest';
import { MAX_SIGNATURE_FILE_BYTES } from '@landfall/minisign';
import { historyPath } from './layout.ts';
import { readRegular } from './regular-file.ts';

const MODES = { mode: 0o644 };

/** Keeps what stands at `path` below `root`, unless it is `bytes`, is no manifest, or is kept already. */
export function keepEarlier(root: string, path: string, bytes: Uint8Array): void {
  const old = readRegular(join(root, path), MAX_MANIFEST_BYTES, { follow: false });
  if (old === undefined || old.equals(bytes)) return;
  const sequence = sequenceOf(old);
  if (sequence === undefined) return;
  const sha256 = createHash('sha256').update(old).digest('hex');
  const target = join(root, historyPath(path, { sequence, sha256 }));
  if (lstatSync(target, { throwIfNoEntry: false }) !== undefined) return;
  makeDirectoryDurably(dirname(target), 0o755);
  for (const [ending, text] of signaturesOf(join(root, path))) {
    writeFileDurably(`${target}${ending}`, text, MODES);
  }
  writeFileDurably(target, old, MODES);
  crashPoint('mirror-history-kept');
}

/** What stands beside a manifest as its signatures, by ending. */
function signaturesOf(manifest: string): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (const name of readdirSync(dirname(manifest))) {
    if (!name.startsWith(`${basename(manifest)}.`) || !name.endsWith('.minisig')) continue;
    const path = join(dirname(manifest), name);
    const text = readRegular(path, MAX_SIGNATURE_FILE_BYTES, { follow: false });
    if (text !== undefined) found.set(name.slice(basename(manifest).length), text);
  }
  return found;
}

/** Believed only for a name. */
function sequenceOf(unverified: Uint8Array): number | undefined {
  try {
    return parseManifest(unverified).sequence;
  } catch (error) {
    if (error instanceof ManifestError) return undefined;
    throw error;
  }
}
