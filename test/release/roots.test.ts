/** The folder of root documents: which version counts, and what in it is not believed. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatKeyId, type SecretKey } from '@landfall/minisign';
import type { RootDocument } from '@landfall/trust';
import { expect, it } from 'vitest';
import { readRoots, rootFilesOf } from '../../release/roots.ts';
import { checkRootLife } from '../../release/steps/roots.ts';
import { errorOf } from '../harness/errors.ts';
import { testKey } from '../harness/minisign-keys.ts';
import { rootOf, signRoot } from '../harness/roots.ts';
import { temporaryFolder } from '../harness/temporary.ts';

interface Folder {
  path: string;
  anna: SecretKey;
  bo: SecretKey;
  /** Version 1 is anna's, version 2 anna's and bo's, of whom both must sign. */
  put: (version: number, signers: readonly SecretKey[], changes?: Partial<RootDocument>) => void;
}

function useFolder(): Folder {
  const path = join(temporaryFolder(), 'trust');
  const [anna, bo, release] = [testKey(), testKey(), testKey()];
  mkdirSync(path);
  const put: Folder['put'] = (version, signers, changes = {}) => {
    const root = version === 1 ? [anna] : [anna, bo];
    const holders = { root, rootThreshold: root.length, release: [release] };
    const { bytes, signatures } = signRoot(rootOf(version, holders, changes), signers);
    const file = join(path, `root-${version}.json`);
    writeFileSync(file, bytes);
    for (const [index, text] of signatures.entries()) {
      const id = formatKeyId((signers[index] ?? anna).keyId);
      writeFileSync(`${file}.${id}.minisig`, text);
    }
  };
  return { path, anna, bo, put };
}

it('counts a version once enough of the old and of its own keys have signed', () => {
  const { path, anna, bo, put } = useFolder();
  expect(readRoots(path, 'archipelago')).toEqual({ steps: [] });
  put(1, [anna]);
  put(2, [bo]);
  const one = readRoots(path, 'archipelago');
  expect(one.steps).toHaveLength(1);
  expect(one.waiting?.roles).toMatchObject([
    { whose: 'root keys of version 1', threshold: 1, signers: [] },
    { whose: 'root keys of version 2', threshold: 2, signers: [bo.publicKey] },
  ]);
  put(2, [anna, bo]);
  const { steps, waiting } = readRoots(path, 'archipelago');
  expect(waiting).toBeUndefined();
  expect(steps.map(({ root }) => root.version)).toEqual([1, 2]);
  // Signatures come before their document, and versions in their order.
  expect([...rootFilesOf(steps).keys()]).toEqual([
    'trust/root-1.json.minisig',
    'trust/root-1.json',
    'trust/root-2.json.minisig',
    `trust/root-2.json.${formatKeyId(bo.keyId)}.minisig`,
    'trust/root-2.json',
  ]);
});

it.each<[string, (folder: Folder) => void, RegExp]>([
  [
    'a version is missing between',
    ({ path }) => rmSync(join(path, 'root-1.json')),
    /root-1\.json' is missing: expected every root document up to version 2/,
  ],
  [
    'a version stands under the name of another',
    ({ path }) => {
      rmSync(join(path, 'root-1.json'));
      renameSync(join(path, 'root-2.json'), join(path, 'root-1.json'));
    },
    /root-1\.json' is another version: expected 1, found 2/,
  ],
  [
    'one before the newest lacks a signature',
    ({ path, anna, bo, put }) => {
      put(3, [anna, bo]);
      rmSync(join(path, `root-2.json.${formatKeyId(bo.keyId)}.minisig`));
    },
    /by its own root keys: not signed by enough trusted keys: expected 2 of 2/,
  ],
  [
    'it is of another app',
    ({ anna, put }) => put(1, [anna], { app: 'another' }),
    /expected 'archipelago', found 'another'/,
  ],
])('is refused when %s', async (_, spoil, message) => {
  const folder = useFolder();
  folder.put(1, [folder.anna]);
  folder.put(2, [folder.anna, folder.bo]);
  spoil(folder);
  const error = await errorOf(() => readRoots(folder.path, 'archipelago'));
  expect(error.message).toMatch(message);
});

it('with an expired newest version nothing is shipped, and before that it is said', async () => {
  const { path, anna, put } = useFolder();
  const says: string[] = [];
  const check = (): void => {
    const { steps: roots } = readRoots(path, 'archipelago');
    checkRootLife({ roots }, { line: (text) => says.push(text) });
  };
  put(1, [anna]);
  check();
  expect(says).toEqual([]);
  const soon = new Date(Date.now() + 86_400_000 * 3.5).toISOString().replace(/\.\d+Z$/, 'Z');
  put(1, [anna], { expires: soon });
  check();
  expect(says[0]).toContain('root document 1 ends in 3 days');
  put(1, [anna], { expires: '2026-04-02T00:00:00Z' });
  expect(await errorOf(check)).toMatchObject({ code: 'EXPIRED' });
});
