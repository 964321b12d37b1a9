/**
 * What a release puts on a node, as one digest. It depends on the content
 * alone, not on version, sequence, compression or time: the same bytes
 * published again have the same digest. Quarantine and deployment names use it.
 */
import { createHash } from 'node:crypto';
import { ManifestError } from './errors.ts';
import type { FileArtifact, Manifest, Platform, TreeArtifact } from './manifest.ts';

/** A component with the one artifact that fits a platform. */
export type Selected =
  | { name: string; kind: 'tree'; artifact: TreeArtifact }
  | { name: string; kind: 'file'; artifact: FileArtifact };

/**
 * One artifact per component for `platform` (an exact match before `any`),
 * in the manifest's order. Throws
 * `ManifestError` MANIFEST_PLATFORM naming the components that have none.
 */
export function selectArtifacts(manifest: Manifest, platform: Platform): Selected[] {
  const missing: string[] = [];
  const selected: Selected[] = [];
  for (const component of manifest.components) {
    const pick = <A extends { platform: string }>(artifacts: readonly A[]): A | undefined =>
      artifacts.find((each) => each.platform === platform) ??
      artifacts.find((each) => each.platform === 'any');
    if (component.kind === 'tree') {
      const artifact = pick(component.artifacts);
      if (artifact) selected.push({ name: component.name, kind: 'tree', artifact });
      else missing.push(component.name);
    } else {
      const artifact = pick(component.artifacts);
      if (artifact) selected.push({ name: component.name, kind: 'file', artifact });
      else missing.push(component.name);
    }
  }
  if (missing.length > 0) {
    throw new ManifestError(
      'MANIFEST_PLATFORM',
      `release ${manifest.version} has nothing for ${platform}: ${missing.join(', ')}`,
      {
        hint: 'ask the maintainer to build for this platform',
      },
    );
  }
  return selected;
}

/** What of a component its digest depends on: known from a manifest, and from a disk alike. */
export type Content =
  | { name: string; kind: 'tree'; artifact: { tree: { digest: string } } }
  | { name: string; kind: 'file'; artifact: { mode: number; contentSha256: string } };

/** SHA-256, in hex, over one sorted line per component: name, kind, mode, digest of its content. */
export function contentDigest(selected: readonly Content[]): string {
  const lines = selected
    .map((each) =>
      each.kind === 'tree'
        ? `${each.name} tree ${each.artifact.tree.digest}\n`
        : `${each.name} file ${each.artifact.mode.toString(8)} ${each.artifact.contentSha256}\n`,
    )
    .toSorted();
  return createHash('sha256').update(lines.join('')).digest('hex');
}

/** The folder of a deployment: `<version>-<first 12 digits of the content digest>`. */
export function deploymentId(version: string, digest: string): string {
  return `${version}-${digest.slice(0, 12)}`;
}
