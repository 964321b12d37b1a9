import {
  type Manifest,
  unknownFields,
  unknownHaltFields,
  unknownRootFields,
} from '@landfall/manifest';
import { expect, it } from 'vitest';
import { exampleHalt } from '../../harness/halts.ts';
import { exampleManifest } from '../../harness/manifests.ts';
import { testKey } from '../../harness/minisign-keys.ts';
import { rootOf } from '../../harness/roots.ts';

/** With all that a manifest may have. */
function fullManifest(): Manifest {
  const manifest = exampleManifest();
  const [artifact] = manifest.components[0]!.artifacts;
  artifact!.frames = [{ size: 1000, sha256: 'f'.repeat(64) }];
  const from = { version: '1.7.40-alpha', digest: '7'.repeat(64) };
  artifact!.deltas = [{ from, file: 'x.delta', size: 1, sha256: '8'.repeat(64), format: 1 }];
  manifest.root = 2;
  manifest.rollout.steps = [{ percent: 10, at: '2026-04-22T19:00:00Z' }];
  manifest['withdrawnReasons'] = { '1.7.38-alpha': 'answers 500' };
  return manifest;
}

/** The value at `path` of a document, or of anything in it. */
function put(document: object, path: string, value: unknown): void {
  const keys = path.split('.');
  const last = keys.pop() ?? '';
  let at = document as Record<string, unknown>;
  for (const key of keys) at = at[key] as Record<string, unknown>;
  at[last] = value;
}

const root = () => ({
  ...rootOf(1, { root: [testKey()], release: [testKey()] }),
  floors: [{ channel: 'alpha', sequence: 1, sha256: 'a'.repeat(64) }],
});

it('finds none where all are known', () => {
  expect(unknownFields(exampleManifest())).toEqual([]);
  expect(unknownFields(fullManifest())).toEqual([]);
  expect(unknownHaltFields(exampleHalt())).toEqual([]);
  expect(unknownRootFields(root())).toEqual([]);
});

it.each([
  'urgent',
  'previous.urgent',
  'requires.kernel',
  'rollout.regions',
  'components.1.after',
  'components.0.artifacts.0.mode',
  'components.0.artifacts.0.brotli',
  'components.0.artifacts.0.tree.xattrs',
  'components.0.artifacts.0.frames.0.md5',
  'components.0.artifacts.0.deltas.0.frames',
  'components.0.artifacts.0.deltas.0.from.path',
  'components.1.artifacts.0.tree',
  'withdrawnReasons.9.9.9',
])('finds %s in a manifest', (path) => {
  const manifest = fullManifest();
  if (path.startsWith('withdrawnReasons')) manifest['withdrawnReasons'] = { '9.9.9': 'x' };
  else put(manifest, path, 'x');
  expect(unknownFields(manifest)).toEqual([path]);
});

it('finds deltas that are not understood, and reasons that are none', () => {
  const manifest = fullManifest();
  manifest.components[0]!.artifacts[0]!.deltas = [{ format: 2 }, { format: 1, file: '/x' }];
  manifest['withdrawnReasons'] = { '1.7.38-alpha': 7 };
  const at = 'components.0.artifacts.0.deltas';
  const reason = 'withdrawnReasons.1.7.38-alpha';
  expect(unknownFields(manifest)).toEqual([reason, `${at}.0.format`, `${at}.1`]);
});

it.each(['version', 'halted.0.until'])('finds %s in a halt file', (path) => {
  const halt = exampleHalt();
  put(halt, path, 'x');
  expect(unknownHaltFields(halt)).toEqual([path]);
});

it.each(['url', 'root.urgent', 'channels.0.urgent', 'floors.0.urgent'])(
  'finds %s in a root document',
  (path) => {
    const document = root();
    put(document, path, 'x');
    expect(unknownRootFields(document)).toEqual([path]);
  },
);
