/**
 * Manifests that wait for signatures: `.release/to-sign/<channel>-<sequence>-<version>/`,
 * with the manifest and the signatures that are there so far. The folder is
 * what people send each other.
 *
 * Invariant: a manifest that others may sign is on this disk before anybody
 * signs it, and its sequence is never given to another, so that two people who
 * sign at different times sign the same bytes. A crash leaves a draft without
 * some of its signatures; they are added by the next run.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { crashPoint } from '@landfall/cli';
import { makeDirectoryDurably, writeFileDurably } from '@landfall/durable';
import { OtaError } from '@landfall/errors';
import { type Manifest, MAX_MANIFEST_BYTES, parseManifest } from '@landfall/manifest';
import type { Settings } from './config.ts';
import type { Known } from './decide.ts';
import { ReleaseError } from './errors.ts';
import { readSmallFile } from './files.ts';
import { workspaceOf } from './workspace.ts';

const MANIFEST = 'manifest.json';

/** A manifest made here that waits for signatures. Its bytes are ours; nobody vouches for them yet. */
export interface Draft extends Known {
  /** The manifest's file. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** Where the manifest stands while it waits. */
export function draftPath(
  settings: Settings,
  { channel, sequence, version }: Pick<Manifest, 'channel' | 'sequence' | 'version'>,
): string {
  return join(toSign(settings), `${channel}-${sequence}-${version}`, MANIFEST);
}

/** Puts a manifest where others can sign it. */
export function writeDraft(settings: Settings, manifest: Manifest, bytes: Uint8Array): Draft {
  const path = draftPath(settings, manifest);
  makeDirectoryDurably(join(path, '..'));
  // A crash here leaves an empty folder, which is no draft, or the whole manifest.
  writeFileDurably(path, bytes, { mode: 0o644 });
  crashPoint('ship-draft-written');
  return toDraft(path, bytes, manifest);
}

/** Every manifest that waits in this folder, newest first. Throws `ReleaseError` DAMAGED. */
export function listDrafts(settings: Settings): Draft[] {
  const folder = toSign(settings);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .flatMap((name) => readDraft(join(folder, name, MANIFEST)) ?? [])
    .toSorted((a, b) => b.manifest.sequence - a.manifest.sequence);
}

/** The folder of what waits for signatures of a version, from the project's; undefined when nothing does. */
export function waitingFolder(settings: Settings, version: string): string | undefined {
  const draft = listDrafts(settings).find(({ manifest }) => manifest.version === version);
  return draft === undefined ? undefined : relative(settings.directory, dirname(draft.path));
}

/**
 * The newest manifest that waits here for the channel, may still follow what
 * the mirrors have (`best`), and says what is wanted. One that was overtaken
 * can be accepted by no node, and is left out.
 */
export function waitingDraft(
  settings: Settings,
  channel: string,
  best: Known | undefined,
  wanted: (manifest: Manifest) => boolean,
): Draft | undefined {
  return listDrafts(settings).find(
    ({ manifest }) =>
      manifest.channel === channel && wanted(manifest) && stillFollows(manifest, best),
  );
}

/** Removes what waits for a channel at or below `sequence`: it is signed, or overtaken. */
export function removeDrafts(settings: Settings, channel: string, sequence: number): void {
  for (const { manifest, path } of listDrafts(settings)) {
    if (manifest.channel !== channel || manifest.sequence > sequence) continue;
    rmSync(join(path, '..'), { recursive: true, force: true });
  }
}

function stillFollows({ previous }: Manifest, best: Known | undefined): boolean {
  if (best === undefined || best.manifest.sequence < (previous?.sequence ?? 0)) return true;
  return best.sha256 === previous?.sha256;
}

function toSign(settings: Settings): string {
  return join(workspaceOf(settings), 'to-sign');
}

function toDraft(path: string, bytes: Uint8Array, manifest: Manifest): Draft {
  return { path, bytes, manifest, sha256: createHash('sha256').update(bytes).digest('hex') };
}

function readDraft(path: string): Draft | undefined {
  const bytes = readSmallFile(path, MAX_MANIFEST_BYTES);
  if (bytes === undefined) return undefined;
  try {
    return toDraft(path, bytes, parseManifest(bytes));
  } catch (error) {
    if (!(error instanceof OtaError)) throw error;
    throw new ReleaseError('DAMAGED', `'${path}': ${error.message}`, {
      cause: error,
      hint: `it waits for signatures and was changed: remove '${join(path, '..')}' and run the command that made it again`,
    });
  }
}
