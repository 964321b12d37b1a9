/** The gate at build: it goes by what is to be signed, whatever the archive says of itself. */
import { basename, dirname } from 'node:path';
import type { Component, TreeArtifact } from '@landfall/manifest';
import { expect, it } from 'vitest';
import { gateRelease } from '../../release/steps/gate.ts';
import { errorOf } from '../harness/errors.ts';
import { folderOf, pack, WEB_UI } from '../packages/archive/helpers.ts';

const { signal } = new AbortController();
const other = 'f'.repeat(64);

/** Gates a web UI, of which `change` is said that is not so. */
async function gate(change: (artifact: TreeArtifact) => Partial<TreeArtifact>): Promise<number> {
  const { path, tree, size, sha256 } = await pack(folderOf(WEB_UI));
  const file = basename(path);
  const artifact: TreeArtifact = {
    platform: 'any',
    file,
    size,
    sha256,
    tree: { ...tree },
    deltas: [],
  };
  const artifacts = [{ ...artifact, ...change(artifact) }];
  const component: Component = { name: 'web-ui', kind: 'tree', artifacts };
  return gateRelease([component], { folder: dirname(path), signal });
}

it('lets through what is as it will be signed', async () => {
  expect(await gate(() => ({}))).toBe(10);
});

it.each<[string, string, (artifact: TreeArtifact) => Partial<TreeArtifact>, RegExp]>([
  [
    'a digest',
    'DAMAGED',
    () => ({ sha256: other }),
    /changed: expected \d+ bytes with sha256 ffffffffffff…/,
  ],
  ['a size', 'DAMAGED', ({ size }) => ({ size: size + 1 }), /changed: expected \d+ bytes/],
  [
    'a tree',
    'MANIFEST_CONTRADICTION',
    ({ tree }) => ({ tree: { ...tree, digest: other } }),
    /unpacks to another tree: expected digest ffffffffffff…/,
  ],
  [
    'a number of entries',
    'MANIFEST_CONTRADICTION',
    ({ tree }) => ({ tree: { ...tree, entries: tree.entries + 1 } }),
    /unpacks to another tree: .*\(11 entries\), found .*\(10 entries\)/,
  ],
  [
    'ranges',
    'MANIFEST_CONTRADICTION',
    ({ size }) => ({ frames: [1, size - 1].map((each) => ({ size: each, sha256: other })) }),
    /are not those of its frames/,
  ],
])(
  'stops a sound archive of which %s would be signed that is not its own',
  async (_, code, change, message) => {
    const error = await errorOf(() => gate(change));
    expect(error).toMatchObject({ code, exit: 3 });
    expect(error.message).toMatch(message);
  },
);
