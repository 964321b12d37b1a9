/** Directory mirrors filled by hand with small signed releases, for tests of reading. */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { type Manifest, serializeManifest } from '@landfall/manifest';
import type { SecretKey } from '@landfall/minisign';
import { MARKER_FILE } from '../../mirrors/layout.ts';
import { exampleManifest } from './manifests.ts';
import { signAll } from './signed-manifests.ts';
import { directory, END, rawEntry } from './tar-builder.ts';
import { temporaryFolder } from './temporary.ts';

/** One release with one artifact, whose bytes depend on the version alone. */
export interface SmallRelease {
  manifest: Manifest;
  /** The signed bytes. */
  bytes: Uint8Array;
  signature: string;
  artifact: { version: string; file: string; size: number; sha256: string; bytes: Buffer };
}

/**
 * A release of `archipelago`, signed by `keys`; the first signs `manifest.json.minisig`.
 * Its archive is one that the mode gate takes, unless its root has another mode.
 */
export function smallRelease(
  keys: readonly SecretKey[],
  sequence: number,
  change: (manifest: Manifest) => void = () => undefined,
  rootMode = 0o755,
): SmallRelease {
  const version = `1.0.${sequence}`;
  // Does not compress, and is the same every time.
  const noise = createHash('shake256', { outputLength: 340_000 }).update(version).digest();
  const content = archiveOf(noise, rootMode);
  const artifact = {
    version,
    file: `web-ui-${version}.tar.zst`,
    size: content.length,
    sha256: digestOf(content),
    bytes: content,
  };
  const manifest: Manifest = { ...exampleManifest(), version, sequence, previous: null };
  const [webUi] = manifest.components;
  if (webUi?.kind !== 'tree') throw new Error('the example manifest has another shape');
  const [only] = webUi.artifacts;
  if (only === undefined) throw new Error('the example manifest has another shape');
  const { file, size, sha256 } = artifact;
  webUi.artifacts = [{ ...only, file, size, sha256, tree: treeOf(noise) }];
  manifest.components = [webUi];
  change(manifest);
  const bytes = serializeManifest(manifest);
  const [signature = ''] = signAll(bytes, keys);
  return { manifest, bytes, signature, artifact };
}

function archiveOf(content: Buffer, rootMode: number): Buffer {
  const root = directory('./', { mode: rootMode });
  return zstdCompressSync(Buffer.concat([root, rawEntry({ name: './noise', content }), END]));
}

/** What the archive unpacks to, as docs/formats.md defines the digest. */
function treeOf(content: Buffer): { digest: string; size: number; entries: number } {
  const file = `noise\0f\x000644\0${content.length}\0${digestOf(content)}\n`;
  return { digest: digestOf(`.\0d\x000755\x000\0\n${file}`), size: content.length, entries: 2 };
}

function digestOf(content: Buffer | string): string {
  return createHash('sha256').update(content).digest('hex');
}

/** A new folder that is a mirror with this release, or with nothing. */
export function mirrorFolder(release?: SmallRelease): string {
  const folder = temporaryFolder();
  put(folder, MARKER_FILE, '{}\n');
  if (release !== undefined) fillMirror(folder, release);
  return folder;
}

/** Publishes a release into a folder, artifact first. */
export function fillMirror(folder: string, { bytes, signature, artifact }: SmallRelease): void {
  put(folder, `releases/download/v${artifact.version}/${artifact.file}`, artifact.bytes);
  put(folder, 'releases/manifest.json', bytes);
  put(folder, 'releases/manifest.json.minisig', signature);
}

/** Writes one file below a folder. */
export function put(folder: string, path: string, bytes: string | Uint8Array): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), bytes);
}
