/**
 * `.release/`: what this machine knows about releases it made.
 *
 *     .release/<version>/<artifacts>  build.json  manifest.json  manifest.json.minisig  logs/
 *     .release/<version>/<channel>/manifest.json …   for any channel but the default
 *
 * Invariant: where a `manifest.json` stands, its signatures and every artifact
 * it names stood there first, synced. So a crash leaves either a release that
 * can be shipped as it is, or none, and then nothing of it was uploaded. A
 * later manifest of the same version is first written whole to
 * `manifest.json.next`, which counts from there on, and then over the old one.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { crashPoint } from '@landfall/cli';
import {
  acquireLock,
  type Lock,
  makeDirectoryDurably,
  readJsonFile,
  removeDurably,
  writeFileDurably,
} from '@landfall/durable';
import { OtaError } from '@landfall/errors';
import { compareVersions, isVersion, MAX_MANIFEST_BYTES } from '@landfall/manifest';
import { MAX_SIGNATURE_FILE_BYTES } from '@landfall/minisign';
import { policyFor } from '@landfall/trust';
import { z } from 'zod';
import type { Settings } from './config.ts';
import { ReleaseError } from './errors.ts';
import { readSmallFile } from './files.ts';
import { type Expected, type SignedManifest, signatureEndings, toSigned } from './signed.ts';

const MANIFEST = 'manifest.json';
const NEXT = `${MANIFEST}.next`;
const BUILD = 'build.json';

/** A manifest that takes another's place: base64 of the signed bytes, and signatures by ending. */
const nextSchema = z.object({
  manifest: z.base64(),
  signatures: z.record(z.string(), z.string()),
});
type Next = z.infer<typeof nextSchema>;

/** What the folder of all releases made here is called. */
export const WORKSPACE = '.release';

/** The folder of all releases made here. */
export function workspaceOf(settings: Settings): string {
  return join(settings.directory, WORKSPACE);
}

/** The folder of one version's artifacts. */
export function versionFolder(settings: Settings, version: string): string {
  return join(workspaceOf(settings), version);
}

/** The channel as a path: undefined for the default one, whose manifest stands at the top. */
export function channelPathOf(settings: Settings, channel: string): string | undefined {
  return channel === settings.channel ? undefined : channel;
}

/** Makes the workspace, which git ignores by itself, and takes its lock. Throws `DurableError` LOCKED. */
export function lockWorkspace(settings: Settings, purpose: string): Lock {
  const directory = workspaceOf(settings);
  makeDirectoryDurably(directory);
  const ignore = join(directory, '.gitignore');
  if (!existsSync(ignore)) writeFileDurably(ignore, '*\n', { mode: 0o644 });
  return acquireLock(join(directory, 'lock'), purpose);
}

/** What `release build` found and packed; read by `status`, and compared with what mirrors have. */
const buildSchema = z.object({
  version: z.string(),
  artifacts: z.array(z.object({ file: z.string(), size: z.int(), sha256: z.string() })),
});
/** `build.json` of a version's folder: its artifacts, sizes in bytes, digests in hex. */
export type BuildRecord = z.infer<typeof buildSchema>;

/** Writes `build.json`, over that of an earlier build. Throws `DurableError` WRITE_FAILED. */
export function writeBuildRecord(folder: string, record: BuildRecord): void {
  writeFileDurably(join(folder, BUILD), `${JSON.stringify(record, null, 2)}\n`, { mode: 0o644 });
}

/** The record of a finished build, or undefined when there is none that can be read. */
export function readBuildRecord(folder: string): BuildRecord | undefined {
  const read = readJsonFile(join(folder, BUILD), buildSchema);
  return read.state === 'ok' ? read.value : undefined;
}

/** Writes signatures first and the manifest last; over another manifest, the whole of it before that. */
export function writeSigned(
  folder: string,
  channelPath: string | undefined,
  signed: SignedManifest,
): void {
  const directory = join(folder, channelPath ?? '');
  makeDirectoryDurably(directory);
  if (existsSync(join(directory, MANIFEST))) {
    const next: Next = {
      manifest: Buffer.from(signed.verified.bytes).toString('base64'),
      signatures: Object.fromEntries(signed.signatures),
    };
    writeFileDurably(join(directory, NEXT), `${JSON.stringify(next)}\n`, { mode: 0o644 });
    crashPoint('ship-next-written');
  }
  for (const [ending, text] of signed.signatures) {
    writeFileDurably(join(directory, `${MANIFEST}${ending}`), text, { mode: 0o644 });
    crashPoint('ship-signature-written');
  }
  writeFileDurably(join(directory, MANIFEST), signed.verified.bytes, { mode: 0o644 });
  if (existsSync(join(directory, NEXT))) removeDurably(join(directory, NEXT));
}

/** Ends a `writeSigned` that a crash cut off. */
export function finishSigned(
  folder: string,
  channelPath: string | undefined,
  signed: SignedManifest,
): void {
  if (existsSync(join(folder, channelPath ?? '', NEXT))) writeSigned(folder, channelPath, signed);
}

/**
 * The manifest that was signed here for a version and channel, verified, or
 * undefined. Throws `ReleaseError` DAMAGED when it does not verify any more.
 */
export function readSigned(
  folder: string,
  channelPath: string | undefined,
  expected: Expected,
): SignedManifest | undefined {
  const directory = join(folder, channelPath ?? '');
  const found = readNext(directory) ?? readPlain(directory, expected);
  if (found === undefined) return undefined;
  try {
    return toSigned(found.unverified, found.signatures, expected);
  } catch (error) {
    if (!(error instanceof OtaError)) throw error;
    throw new ReleaseError('DAMAGED', `'${join(directory, MANIFEST)}': ${error.message}`, {
      cause: error,
      hint: `if the keys or the configuration changed on purpose, remove '${folder}' and ship again`,
    });
  }
}

/**
 * The same where `readSigned` throws DAMAGED: verified by the root document of its time, if
 * keys were replaced since. Nobody goes by it any more; what it says was signed.
 */
export function readOutdated(
  settings: Settings,
  folder: string,
  channelPath: string | undefined,
  expected: Omit<Expected, 'policy'>,
): SignedManifest | undefined {
  for (const { root } of settings.roots.slice(0, -1).toReversed()) {
    try {
      const policy = policyFor(root, expected.channel);
      return readSigned(folder, channelPath, { ...expected, policy });
    } catch (error) {
      if (!(error instanceof OtaError)) throw error;
    }
  }
  return undefined;
}

interface Unverified {
  unverified: Uint8Array;
  signatures: Map<string, string>;
}

function readNext(directory: string): Unverified | undefined {
  const read = readJsonFile(join(directory, NEXT), nextSchema);
  if (read.state !== 'ok') return undefined;
  const { manifest, signatures } = read.value;
  return {
    unverified: Buffer.from(manifest, 'base64'),
    signatures: new Map(Object.entries(signatures)),
  };
}

function readPlain(directory: string, expected: Expected): Unverified | undefined {
  const unverified = readSmallFile(join(directory, MANIFEST), MAX_MANIFEST_BYTES);
  if (unverified === undefined) return undefined;
  const signatures = new Map<string, string>();
  for (const ending of signatureEndings(expected.policy)) {
    const text = readSmallFile(join(directory, `${MANIFEST}${ending}`), MAX_SIGNATURE_FILE_BYTES);
    if (text !== undefined) signatures.set(ending, text.toString());
  }
  return { unverified, signatures };
}

/** Versions that have a folder here, oldest first. */
export function listVersions(settings: Settings): string[] {
  const directory = workspaceOf(settings);
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && isVersion(entry.name))
    .map((entry) => entry.name)
    .toSorted(compareVersions);
}

/** Channels (as paths) that a version was signed for here. */
export function signedChannels(folder: string): (string | undefined)[] {
  if (!existsSync(folder)) return [];
  const named = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(folder, entry.name, MANIFEST)))
    .map((entry) => entry.name);
  return existsSync(join(folder, MANIFEST)) ? [undefined, ...named] : named;
}

/** Where copies of what mirrors serve go while they are checked. No channel can have that name. */
export function scratchOf(folder: string): string {
  return join(folder, '.read-back');
}
