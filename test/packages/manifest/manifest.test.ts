import {
  artifactFileName,
  compareVersions,
  contentDigest,
  deploymentId,
  indexPath,
  isVersion,
  ManifestError,
  MAX_MANIFEST_BYTES,
  parseManifest,
  satisfies,
  selectArtifacts,
  serializeManifest,
  signaturePath,
  type Manifest,
} from '@landfall/manifest';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../harness/errors.ts';
import { exampleManifest } from '../../harness/manifests.ts';

const bytesOf = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

/** The example with the value at `path` replaced (undefined removes it). */
function changed(path: string, value: unknown): unknown {
  const manifest: unknown = structuredClone(exampleManifest());
  const keys = path.split('.');
  const last = keys.pop() ?? '';
  let at = manifest as Record<string, unknown>;
  for (const key of keys) at = at[key] as Record<string, unknown>;
  if (value === undefined) delete at[last];
  else at[last] = value;
  return manifest;
}

describe('parseManifest', () => {
  it('returns what serializeManifest wrote, and the same bytes again', () => {
    const bytes = serializeManifest(exampleManifest());
    expect(parseManifest(bytes)).toEqual(exampleManifest());
    expect(serializeManifest(parseManifest(bytes))).toEqual(bytes);
    expect(new TextDecoder().decode(bytes).endsWith('}\n')).toBe(true);
  });

  it('keeps and ignores unknown fields at every level', () => {
    const value = changed('components.0.artifacts.0.brotli', { file: 'x' }) as Record<
      string,
      unknown
    >;
    value['future'] = true;
    const parsed = parseManifest(bytesOf(value));
    expect(parsed['future']).toBe(true);
    expect(parseManifest(serializeManifest(parsed))).toEqual(parsed);
  });

  it('refuses an unknown schema and says what to do', async () => {
    const error = await errorOf(() => parseManifest(bytesOf(changed('schema', 2))));
    expect(error.code).toBe('MANIFEST_SCHEMA');
    expect(error.message).toBe('manifest is of another schema: expected 1, found 2');
    expect(error.hint).toContain('update the updater');
    expect(error.exit).toBe(3);
  });

  it.each<[string, string, unknown, string]>([
    [
      'a path in a file name',
      'components.0.artifacts.0.file',
      '../../etc/passwd',
      'plain file name',
    ],
    ['an absolute file name', 'components.0.artifacts.0.file', '/etc/passwd', 'plain file name'],
    ['a hidden file name', 'components.0.artifacts.0.file', '.bashrc', 'plain file name'],
    ['a path in a component name', 'components.0.name', 'a/b', 'lower-case letters'],
    ['dots as a component name', 'components.0.name', '..', 'lower-case letters'],
    ['a path in the app name', 'app', '../x', 'lower-case letters'],
    ['a path in the channel', 'channel', 'a/b', 'channel name'],
    ['a version with a path', 'version', '1.0.0/../x', 'semantic version'],
    ['a version with v', 'version', 'v1.0.0', 'semantic version'],
    ['a version with build metadata', 'version', '1.0.0+1', 'semantic version'],
    ['a negative size', 'components.0.artifacts.0.size', -1, 'size'],
    ['a size that is not whole', 'components.0.artifacts.0.size', 1.5, 'size'],
    ['a size beyond exact numbers', 'components.0.artifacts.0.size', 2 ** 60, 'size'],
    ['a size as text', 'components.0.artifacts.0.size', '1', 'size'],
    ['an upper-case digest', 'components.0.artifacts.0.sha256', 'A'.repeat(64), 'hex'],
    ['a setuid mode', 'components.1.artifacts.0.mode', 0o4755, '493'],
    ['a sequence of zero', 'sequence', 0, 'sequence'],
    ['no components', 'components', [], 'components'],
    ['no expiry', 'expires', undefined, 'expires'],
    ['an expiry before publication', 'expires', '2026-04-22T18:00:00Z', "'expires' is not after"],
    ['a local time', 'published', '2026-04-22T19:00:00+02:00', 'UTC'],
    [
      'a previous that is not older',
      'previous',
      { sequence: 41, sha256: 'a'.repeat(64) },
      "'previous'",
    ],
    ['an unknown kind', 'components.0.kind', 'link', 'kind'],
    [
      'a tree that is a file to other readers',
      'components.0.artifacts.0.contentSha256',
      'a'.repeat(64),
      'is said to be a tree and a single file',
    ],
    ['a document of another kind', 'kind', 'halt', "expected no 'kind'"],
  ])('refuses %s', async (_, path, value, expected) => {
    const error = await errorOf(() => parseManifest(bytesOf(changed(path, value))));
    expect(error).toBeInstanceOf(ManifestError);
    expect(error.code).toBe('MANIFEST_INVALID');
    expect(error.message).toContain(expected);
    expect(error.message).not.toContain('\n');
  });

  it.each<[string, (manifest: Manifest) => void, string]>([
    [
      'two components of one name',
      (m) => m.components.push(structuredClone(m.components[0]!)),
      'named twice',
    ],
    [
      'two artifacts of one platform',
      (m) => {
        const component = m.components[0]!;
        if (component.kind !== 'tree') throw new Error('the example changed');
        component.artifacts.push({ ...component.artifacts[0]!, file: 'other.tar.zst' });
      },
      'two artifacts for one platform',
    ],
    [
      'frames that are not all of the file',
      (m) => {
        const [artifact] = m.components[0]!.artifacts;
        const half = { size: artifact!.size - 1, sha256: artifact!.sha256 };
        artifact!.frames = [half];
      },
      'do not add up to its size',
    ],
  ])('refuses %s', async (_, change, expected) => {
    const manifest = exampleManifest();
    change(manifest);
    expect((await errorOf(() => parseManifest(bytesOf(manifest)))).message).toContain(expected);
    expect((await errorOf(() => serializeManifest(manifest))).message).toContain(expected);
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['an HTML page', Buffer.from('<!doctype html>')],
    ['bytes that are not UTF-8', Buffer.from([0x7b, 0xff, 0x7d])],
    ['a list', Buffer.from('[]')],
    ['null', Buffer.from('null')],
    ['one byte too many', Buffer.alloc(MAX_MANIFEST_BYTES + 1, 0x20)],
  ])('refuses %s', async (_, bytes) => {
    expect((await errorOf(() => parseManifest(bytes))).code).toBe('MANIFEST_INVALID');
  });

  it('is not fooled by __proto__', () => {
    const text = JSON.stringify(exampleManifest()).replace(
      '"schema":1',
      '"schema":1,"__proto__":{"polluted":true}',
    );
    const parsed = parseManifest(Buffer.from(text));
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(parsed.app).toBe('archipelago');
  });
});

describe('content', () => {
  it('prefers the exact platform and falls back to any', () => {
    const manifest = exampleManifest();
    expect(selectArtifacts(manifest, 'linux-x64').map((each) => each.artifact.file)).toEqual([
      'web-ui-1.7.41-alpha.tar.zst',
      'archipelago-1.7.41-alpha-linux-x64.zst',
    ]);
  });

  it('names every component that has nothing for the platform', async () => {
    const error = await errorOf(() => selectArtifacts(exampleManifest(), 'linux-arm64'));
    expect(error.code).toBe('MANIFEST_PLATFORM');
    expect(error.message).toBe('release 1.7.41-alpha has nothing for linux-arm64: archipelago');
  });

  it('has one digest for the same content, whatever the version, name and compression', () => {
    const first = exampleManifest();
    const again = exampleManifest();
    again.version = '2.0.0';
    again.components.reverse();
    for (const component of again.components) {
      for (const artifact of component.artifacts) {
        artifact.sha256 = 'f'.repeat(64);
        artifact.file = `other-${artifact.file}`;
      }
    }
    const digest = contentDigest(selectArtifacts(first, 'linux-x64'));
    expect(contentDigest(selectArtifacts(again, 'linux-x64'))).toBe(digest);
    const tree = again.components.find((each) => each.kind === 'tree');
    tree!.artifacts[0]!.tree.digest = '0'.repeat(64);
    expect(contentDigest(selectArtifacts(again, 'linux-x64'))).not.toBe(digest);
    expect(deploymentId('1.7.41-alpha', digest)).toBe(`1.7.41-alpha-${digest.slice(0, 12)}`);
  });
});

describe('versions and names', () => {
  it('orders as semantic versioning does', () => {
    const ordered = [
      '1.0.0-alpha',
      '1.0.0-alpha.1',
      '1.0.0-alpha.10',
      '1.0.0-beta',
      '1.0.0',
      '1.7.9',
      '1.7.10',
    ];
    expect(ordered.toReversed().toSorted(compareVersions)).toEqual(ordered);
    expect(satisfies('1.7.41-alpha', '>=1.7.30')).toBe(true);
    expect(satisfies('1.7.29', '>=1.7.30')).toBe(false);
  });

  it.each(['1', '1.2', 'v1.2.3', ' 1.2.3', '1.2.3+5', '01.2.3', '1.2.3-', '', 'latest'])(
    'does not take %j for a version',
    (text) => expect(isVersion(text)).toBe(false),
  );

  it('puts files where the design says', () => {
    expect(indexPath(undefined)).toBe('releases/manifest.json');
    expect(indexPath('beta')).toBe('releases/beta/manifest.json');
    expect(signaturePath('releases/manifest.json')).toBe('releases/manifest.json.minisig');
    expect(signaturePath('releases/manifest.json', 'AB12')).toBe(
      'releases/manifest.json.AB12.minisig',
    );
    const options = {
      component: 'web-ui',
      version: '1.0.0',
      platform: 'any',
      compression: 'zstd',
    } as const;
    expect(artifactFileName({ ...options, kind: 'tree' })).toBe('web-ui-1.0.0.tar.zst');
    expect(
      artifactFileName({ ...options, kind: 'file', platform: 'linux-x64', compression: 'gzip' }),
    ).toBe('web-ui-1.0.0-linux-x64.gz');
  });
});
