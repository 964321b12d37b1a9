import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Halt, type Manifest, serializeHalt, serializeManifest } from '@landfall/manifest';
import { describe, expect, it } from 'vitest';
import { readSignable, type Signable } from '../../release/documents.ts';
import { errorOf } from '../harness/errors.ts';
import { exampleHalt } from '../harness/halts.ts';
import { exampleManifest } from '../harness/manifests.ts';
import { temporaryFolder } from '../harness/temporary.ts';

function readBytes(bytes: Uint8Array): Signable {
  const path = join(temporaryFolder(), 'manifest.json');
  writeFileSync(path, bytes);
  return readSignable(path, undefined);
}

const read = (manifest: Manifest): Signable => readBytes(serializeManifest(manifest));

describe('who signs a manifest', () => {
  it('is shown what nodes fetch, what they install, and under which conditions', () => {
    const manifest = exampleManifest();
    const [artifact] = manifest.components[0]!.artifacts;
    const file = 'web-ui-1.7.41-alpha.from-1.7.40-alpha.delta';
    const from = { version: '1.7.40-alpha', digest: '7'.repeat(64) };
    artifact!.deltas = [{ from, file, size: 7, sha256: '8'.repeat(64), format: 1 }];
    artifact!.frames = [
      { size: 400, sha256: '1'.repeat(64) },
      { size: 600, sha256: '2'.repeat(64) },
    ];
    manifest.root = 3;
    manifest.notes = 'what changed\u001B[2J\nand more';
    manifest.rollout.steps = [{ percent: 10, at: '2026-04-22T19:00:00Z' }];
    manifest['withdrawnReasons'] = { '1.7.38-alpha': 'answers 500' };
    expect(read(manifest).says).toEqual([
      'commit:    0123456789abcdef0123456789abcdef01234567',
      'notes:     what changed?[2J … (2 lines, 25 characters)',
      'published: 2026-04-22T19:00:00Z, expires 2026-07-21T19:00:00Z',
      `follows:   sequence 40, sha256 ${'a'.repeat(64)}`,
      'root:      root document 3 is the newest',
      'requires:  updater >=0.1.0, from release >=1.7.30',
      'goes out:  to 10 % of the nodes from 2026-04-22T19:00:00Z on',
      'withdrawn: 1.7.38-alpha (answers 500), 1.7.39-alpha',
      `artifact:  web-ui-1.7.41-alpha.tar.zst, 1000 bytes, sha256 ${'b'.repeat(64)}, in 2 ranges of their own digests`,
      `installs:  web-ui everywhere: a tree of 3 entries, 2000 bytes, digest ${'c'.repeat(64)}`,
      `delta:     ${file}, 7 bytes, sha256 ${'8'.repeat(64)}, from 1.7.40-alpha`,
      `artifact:  archipelago-1.7.41-alpha-linux-x64.zst, 500 bytes, sha256 ${'d'.repeat(64)}`,
      `installs:  archipelago on linux-x64: a file of 900 bytes, mode 0755, sha256 ${'e'.repeat(64)}`,
    ]);
  });

  it.each<[string, (manifest: Manifest) => void, string]>([
    ['a field', (m) => (m['urgent'] = true), "'urgent'"],
    ['a condition', (m) => (m.requires['kernel'] = '>=6'), "'requires.kernel'"],
    [
      'a name that a terminal obeys',
      (m) => (m.requires['\u001B[2J'] = 'x'),
      "'requires.?[2J'; hint",
    ],
    [
      'a delta',
      (m) => (m.components[0]!.artifacts[0]!.deltas = [{ format: 2 }]),
      "'components.0.artifacts.0.deltas.0.format'",
    ],
  ])('signs nothing that cannot be shown: %s', async (_, change, named) => {
    const manifest = exampleManifest();
    change(manifest);
    const error = await errorOf(() => read(manifest));
    expect(error).toMatchObject({ code: 'NOT_SIGNABLE', exit: 3 });
    expect(`${error.message}; hint`).toContain(named);
  });
});

it('a halt file is signed by itself: not what is a manifest too', async () => {
  const halt = exampleHalt();
  expect(readBytes(serializeHalt(halt)).title).toContain('halt file');
  const both = { ...exampleManifest(), ...halt } as Halt;
  const error = await errorOf(() => readBytes(serializeHalt(both)));
  expect(error).toMatchObject({ code: 'NOT_SIGNABLE', exit: 3 });
  expect(error.message).toContain("'version', 'sequence', 'expires' and ");
});
