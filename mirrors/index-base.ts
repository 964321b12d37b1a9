/**
 * Which head of several mirrors the next index commit may stand on: whatever is in it goes to
 * all of them, so that who may write to one would write to every other. Of a branch that holds
 * an index and nothing else, as those do that we begin, nothing else becomes of it: no workflow,
 * for one, that the next server would run. And no head brings it along that files of an index are
 * gone. A branch with sources in it grows by whatever its people push to one mirror.
 *
 * A head that is left out stays as it is: its mirror has diverged from the others.
 */
import { EMPTY_TREE, isAncestor, runGit } from './git.ts';
import { HEAD_PATH } from './head.ts';

/** Where everything stands that an index is made of, docs/formats.md. */
const PARTS = ['releases', 'provenance', 'trust'].map((folder) => `:(glob)${folder}/**`);
/** What a publication puts back by itself. */
const RESTORED = ['releases/halt.json', 'releases/*/halt.json', HEAD_PATH].map(
  (path) => `:(exclude,glob)${path}`,
);
const OTHERS = ['releases', 'provenance', 'trust'].map((folder) => `:(exclude,glob)${folder}/**`);

/** Those of `heads` that bring no other head what only people may, in their order and once each. */
export async function fairHeads(repository: string, heads: readonly string[]): Promise<string[]> {
  const all = [...new Set(heads)];
  const fair: string[] = [];
  for (const head of all) if (await isFair(repository, head, all)) fair.push(head);
  return fair;
}

async function isFair(repository: string, head: string, all: readonly string[]): Promise<boolean> {
  for (const other of all) {
    if (other === head || !(await isAncestor(repository, other, head))) continue;
    if (await hasChanges(repository, other, head, ['--diff-filter=D', '--', ...PARTS, ...RESTORED]))
      return false;
    const isIndex = !(await hasChanges(repository, EMPTY_TREE, other, ['--', '.', ...OTHERS]));
    if (isIndex && (await hasChanges(repository, EMPTY_TREE, head, ['--', '.', ...OTHERS])))
      return false;
  }
  return true;
}

/** Also where git does not tell. */
async function hasChanges(
  repository: string,
  from: string,
  to: string,
  which: readonly string[],
): Promise<boolean> {
  const args = ['diff-tree', '-r', '--no-renames', '--quiet', from, to, ...which];
  return (await runGit(args, { repository })).code !== 0;
}
