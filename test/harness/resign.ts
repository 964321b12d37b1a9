/** A project's release as somebody with its key would forge it: the same files, and a manifest that says other things. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Manifest, parseManifest, serializeManifest } from '@landfall/manifest';
import { sign } from '@landfall/minisign';
import type { Project } from './project.ts';

/** Signs what `change` makes of `bytes`, and puts it on every mirror. */
export function resign(
  site: Project,
  bytes: Uint8Array,
  change: (manifest: Manifest) => void,
): void {
  const manifest = parseManifest(bytes);
  change(manifest);
  const forged = serializeManifest(manifest);
  const signature = sign(site.key, forged, { trustedComment: 'forged' });
  for (const { directory } of site.mirrors) {
    const path = join(directory, 'releases/manifest.json');
    writeFileSync(path, forged);
    writeFileSync(`${path}.minisig`, signature);
  }
}

/** Two ranges of the file, as they would be signed. */
export function rangesOf(path: string): { size: number; sha256: string }[] {
  const bytes = readFileSync(path);
  return [bytes.subarray(0, 10), bytes.subarray(10)].map((each) => ({
    size: each.length,
    sha256: createHash('sha256').update(each).digest('hex'),
  }));
}
