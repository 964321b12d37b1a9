/** What directory mirrors hold, as bytes: for comparing them with each other and with themselves. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { artifactFiles, indexPath, type Manifest, parseManifest } from '@landfall/manifest';
import { expect } from 'vitest';
import type { Project } from './project.ts';

/** Every file a reader can find below `directory`, by relative path → SHA-256 in hex. Hidden files are not served. */
export function filesOf(directory: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const path = join(directory, name);
    if (name.split('/').some((part) => part.startsWith('.')) || !statSync(path).isFile()) continue;
    found[name] = createHash('sha256').update(readFileSync(path)).digest('hex');
  }
  return found;
}

/** The manifest that a mirror's index holds, unverified, or undefined. */
export function manifestOn(directory: string, channel?: string): Manifest | undefined {
  const path = join(directory, indexPath(channel));
  return existsSync(path) ? parseManifest(readFileSync(path)) : undefined;
}

/** What is wrong with a mirror: artifacts that its index names and that are not there with those bytes. */
export function brokenPromises(directory: string, channel?: string): string[] {
  const manifest = manifestOn(directory, channel);
  if (manifest === undefined) return [];
  return artifactFiles(manifest)
    .filter(({ file, sha256 }) => {
      const path = join(directory, 'releases', 'download', `v${manifest.version}`, file);
      if (!existsSync(path)) return true;
      return createHash('sha256').update(readFileSync(path)).digest('hex') !== sha256;
    })
    .map(({ file }) => `${manifest.version} names ${file}`);
}

/** Takes a mirror away, as an unplugged stick: its folder is gone. Returns what brings it back. */
export function unplug(directory: string): () => void {
  const aside = `${directory}.unplugged`;
  renameSync(directory, aside);
  return () => renameSync(aside, directory);
}

/**
 * All mirrors of a project hold the same files, and their index promises nothing
 * they do not have. What each kept of earlier manifests is its own history.
 */
export function expectComplete(project: Project, version: string, channel?: string): void {
  const [first, ...others] = project.mirrors.map(({ directory }) =>
    Object.fromEntries(
      Object.entries(filesOf(directory)).filter(([path]) => !path.includes('/history/')),
    ),
  );
  for (const other of others) expect(other).toEqual(first);
  for (const { directory } of project.mirrors) {
    expect(manifestOn(directory, channel)?.version).toBe(version);
    expect(brokenPromises(directory, channel)).toEqual([]);
  }
}
