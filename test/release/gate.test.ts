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

it.each<[string, (artifact: TreeArtifact) => Partial<TreeArtifact>, RegExp]>([
  ['a digest', () => ({ sha256: other }), /changed: expected \d+ bytes with sha256 ffffffffffff…/],
  ['a size', ({ size }) => ({ size: size + 1 }), /changed: expected \d+ bytes/],
  [
    'a tree',
    ({ tree }) => ({ tree: { ...tree, digest: other } }),
    /holds another tree: expected digest ffffffffffff…/,
  ],
  [
    'a number of entries',
    ({ tree }) => ({ tree: { ...tree, entries: tree.entries + 1 } }),
    /holds another tree: .*\(11 entries\), found .*\(10 entries\)/,
  ],
])(
  'stops a sound archive of which %s would be signed that is not its own',
  async (_, change, message) => {
    const error = await errorOf(() => gate(change));
    expect(error).toMatchObject({ code: 'DAMAGED', exit: 3 });
    expect(error.message).toMatch(message);
  },
);
