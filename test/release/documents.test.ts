import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serializeManifest } from '@landfall/manifest';
import { expect, it } from 'vitest';
import { readSignable } from '../../release/documents.ts';
import { exampleManifest } from '../harness/manifests.ts';
import { temporaryFolder } from '../harness/temporary.ts';

it('shows who signs a manifest every file of it, deltas included', () => {
  const manifest = exampleManifest();
  const file = 'web-ui-1.7.41-alpha.from-1.7.40-alpha.delta';
  manifest.components[0]!.artifacts[0]!.deltas = [{ file, size: 7, sha256: '8'.repeat(64) }];
  const path = join(temporaryFolder(), 'manifest.json');
  writeFileSync(path, serializeManifest(manifest));
  const says = readSignable(path, undefined).says.filter((line) => line.includes('sha256'));
  expect(says.filter((line) => !line.startsWith('follows'))).toEqual([
    `artifact:  web-ui-1.7.41-alpha.tar.zst, 1000 bytes, sha256 ${'b'.repeat(64)}`,
    `delta:     ${file}, 7 bytes, sha256 ${'8'.repeat(64)}`,
    `artifact:  archipelago-1.7.41-alpha-linux-x64.zst, 500 bytes, sha256 ${'d'.repeat(64)}`,
  ]);
});
