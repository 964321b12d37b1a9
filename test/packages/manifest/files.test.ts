import {
  artifactDigest,
  artifactFiles,
  deltaFileName,
  deltasOf,
  type Manifest,
  MAX_DELTAS,
  parseManifest,
  serializeManifest,
} from '@landfall/manifest';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../harness/errors.ts';
import { exampleManifest } from '../../harness/manifests.ts';

const digest = (digit: string): string => digit.repeat(64);

function delta(changes: Record<string, unknown> = {}): Record<string, unknown> {
  const file = 'web-ui-1.7.41-alpha.from-1.7.40-alpha.delta';
  const from = { version: '1.7.40-alpha', digest: digest('7') };
  return { from, file, size: 77, sha256: digest('8'), format: 1, ...changes };
}

/** The example with these deltas of its web UI, as a reader gets it. */
function withDeltas(deltas: Record<string, unknown>[]): Manifest {
  const manifest = exampleManifest();
  manifest.components[0]!.artifacts[0]!.deltas = deltas;
  return parseManifest(serializeManifest(manifest));
}

const webUi = ({ components }: Manifest) => components[0]!.artifacts[0]!;

describe('deltas of a manifest', () => {
  it('are kept as they are, and read with what nobody knows yet', () => {
    const deltas = [delta({ hint: 'x' }), delta({ file: 'other.delta', format: 2 })];
    const manifest = withDeltas(deltas);
    expect(webUi(manifest).deltas).toEqual(deltas);
    expect(deltasOf(webUi(manifest))).toEqual([deltas[0]]);
  });

  it.each<[string, Record<string, unknown>]>([
    ['another format', { format: 2 }],
    ['no format', { format: undefined }],
    ['a path in the name', { file: '../x.delta' }],
    ['a negative size', { size: -1 }],
    ['no size', { size: 0 }],
    ['a size that is not whole', { size: 1.5 }],
    ['a digest that is none', { sha256: 'abc' }],
    ['nothing to start from', { from: undefined }],
    ['a version that is none', { from: { version: '../1.0.0', digest: digest('7') } }],
    ['a base without a digest', { from: { version: '1.0.0' } }],
  ])('are nothing for a node with %s, and no reason to refuse the release', (_, change) => {
    const manifest = withDeltas([delta(change), delta({ file: 'second.delta' })]);
    expect(deltasOf(webUi(manifest)).map(({ file }) => file)).toEqual(['second.delta']);
  });

  it('are at most so many', async () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, index) => delta({ file: `${index}.delta` }));
    expect(deltasOf(webUi(withDeltas(many(MAX_DELTAS))))).toHaveLength(MAX_DELTAS);
    const error = await errorOf(() => withDeltas(many(MAX_DELTAS + 1)));
    expect(error.code).toBe('MANIFEST_INVALID');
  });

  it('have names of their own', async () => {
    for (const file of ['web-ui-1.7.41-alpha.tar.zst', 'archipelago-1.7.41-alpha-linux-x64.zst']) {
      const error = await errorOf(() => withDeltas([delta({ file })]));
      expect(error.message).toContain('a file is named twice');
    }
    const error = await errorOf(() => withDeltas([delta(), delta()]));
    expect(error.message).toContain('a file is named twice');
  });
});

describe('artifactFiles', () => {
  it('lists artifacts and, behind each, its deltas: also those of a format of the future', () => {
    const future = delta({ file: 'future.delta', format: 2, from: 'elsewhere' });
    const manifest = withDeltas([delta(), future, { format: 3, where: 'no file' }]);
    const [tree, binary] = manifest.components.map(({ artifacts }) => artifacts[0]!);
    const served = { size: 77, sha256: digest('8'), artifact: undefined };
    expect(artifactFiles(manifest)).toEqual([
      { file: tree!.file, size: tree!.size, sha256: tree!.sha256, artifact: tree },
      { file: 'web-ui-1.7.41-alpha.from-1.7.40-alpha.delta', ...served },
      { file: 'future.delta', ...served },
      { file: binary!.file, size: binary!.size, sha256: binary!.sha256, artifact: binary },
    ]);
    expect([tree!, binary!].map(artifactDigest)).toEqual([digest('c'), digest('e')]);
  });
});

describe('deltaFileName', () => {
  it('says what it leads to, for whom, and from where', () => {
    const name = { component: 'web-ui', version: '1.1.0', from: '1.0.0-rc.1', platform: 'any' };
    expect(deltaFileName(name)).toBe('web-ui-1.1.0.from-1.0.0-rc.1.delta');
    expect(deltaFileName({ ...name, component: 'api', platform: 'linux-x64' })).toBe(
      'api-1.1.0-linux-x64.from-1.0.0-rc.1.delta',
    );
    expect(deltaFileName({ ...name, from: `1.0.0-${'a'.repeat(180)}` })).toBeUndefined();
  });
});
