/** Directory mirrors filled by hand with small signed releases, for tests of reading. */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Manifest, serializeManifest } from '@landfall/manifest';
import type { SecretKey } from '@landfall/minisign';
import { MARKER_FILE } from '../../mirrors/layout.ts';
import { exampleManifest } from './manifests.ts';
import { signAll } from './signed-manifests.ts';
import { temporaryFolder } from './temporary.ts';

/** One release with one artifact, whose bytes depend on the version alone. */
export interface SmallRelease {
  manifest: Manifest;
  /** The signed bytes. */
  bytes: Uint8Array;
  signature: string;
  artifact: { version: string; file: string; size: number; sha256: string; bytes: Buffer };
}

/** A release of `archipelago`, signed by `keys`; the first signs `manifest.json.minisig`. */
export function smallRelease(
  keys: readonly SecretKey[],
  sequence: number,
  change: (manifest: Manifest) => void = () => undefined,
): SmallRelease {
  const version = `1.0.${sequence}`;
  const content = Buffer.from(`web-ui of ${version}\n`.repeat(20_000));
  const artifact = {
    version,
    file: `web-ui-${version}.tar.zst`,
    size: content.length,
    sha256: createHash('sha256').update(content).digest('hex'),
    bytes: content,
  };
  const manifest: Manifest = { ...exampleManifest(), version, sequence, previous: null };
  const [webUi] = manifest.components;
  if (webUi?.kind !== 'tree') throw new Error('the example manifest has another shape');
  const [only] = webUi.artifacts;
  if (only === undefined) throw new Error('the example manifest has another shape');
  const { file, size, sha256 } = artifact;
  webUi.artifacts = [{ ...only, file, size, sha256 }];
  manifest.components = [webUi];
  change(manifest);
  const bytes = serializeManifest(manifest);
  const [signature = ''] = signAll(bytes, keys);
  return { manifest, bytes, signature, artifact };
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
