import type { Manifest } from '@landfall/manifest';
import { describe, expect, it } from 'vitest';
import { basesOf, chooseReleases } from '../../release/bases.ts';
import { exampleManifest } from '../harness/manifests.ts';

function release(version: string, change: (manifest: Manifest) => void = () => undefined) {
  const manifest = { ...exampleManifest(), version };
  change(manifest);
  return manifest;
}

const known = (manifest: Manifest, published = true) => ({
  manifest,
  sha256: '0'.repeat(64),
  published,
});

describe('chooseReleases', () => {
  it('takes the newest versions that nodes could have had, each once', () => {
    const all = [
      known(release('1.4.0')),
      known(release('1.3.0'), false),
      known(release('1.2.0')),
      known(release('1.4.0')),
      known(release('1.5.0')),
      known(release('1.1.0')),
      known(release('1.0.0')),
    ];
    const versions = (count: number, from?: string) =>
      chooseReleases(all, { version: '1.5.0', count, from }).map(({ version }) => version);
    expect(versions(3)).toEqual(['1.4.0', '1.2.0', '1.1.0']);
    expect(versions(9)).toEqual(['1.4.0', '1.2.0', '1.1.0', '1.0.0']);
    expect(versions(0)).toEqual([]);
    // Nodes that run an older one are refused the new one.
    expect(versions(9, '>=1.2.0')).toEqual(['1.4.0', '1.2.0']);
  });
});

describe('basesOf', () => {
  const webUi = { name: 'web-ui', kind: 'tree' } as const;
  const server = { name: 'archipelago', kind: 'file' } as const;

  it('takes the same content once, from the newest that has it', () => {
    const other = release('1.1.0', ({ components: [tree] }) => {
      if (tree?.kind === 'tree') tree.artifacts[0]!.tree.digest = '9'.repeat(64);
    });
    const bases = basesOf([release('1.3.0'), release('1.2.0'), other], webUi, 'any');
    expect(bases.map(({ version }) => version)).toEqual(['1.3.0', '1.1.0']);
  });

  it('takes what a node of that platform has: its own, else what is for any', () => {
    const platforms = (...names: string[]) =>
      release('1.0.0', ({ components: [, file] }) => {
        const [one] = file!.artifacts;
        file!.artifacts = names.map((platform) => ({ ...one!, platform })) as never;
      });
    const found = (platform: string, ...names: string[]) =>
      basesOf([platforms(...names)], server, platform).map(({ artifact }) => artifact.platform);
    expect(found('linux-x64', 'any', 'linux-x64')).toEqual(['linux-x64']);
    expect(found('linux-arm64', 'any', 'linux-x64')).toEqual(['any']);
    expect(found('linux-arm64', 'linux-x64')).toEqual([]);
  });

  it('takes nothing from a component of another kind or name', () => {
    const releases = [release('1.0.0')];
    expect(basesOf(releases, { ...webUi, kind: 'file' }, 'any')).toEqual([]);
    expect(basesOf(releases, { ...webUi, name: 'docs' }, 'any')).toEqual([]);
  });
});
