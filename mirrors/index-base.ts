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
const FOLDERS = ['releases', 'provenance', 'trust'];
const PARTS = FOLDERS.map((folder) => `:(glob)${folder}/**`);
const OTHERS = FOLDERS.map((folder) => `:(exclude,glob)${folder}/**`);
/** What a publication puts back by itself. */
const RESTORED = ['releases/halt.json', 'releases/*/halt.json', HEAD_PATH].map(
  (path) => `:(exclude,glob)${path}`,
);

/**
 * Those of `heads`, the heads of all mirrors, that may: in their order, once each. What more than
 * one mirror has may go to the others, so that none that lags, or lies, keeps it from them.
 */
export async function fairHeads(repository: string, heads: readonly string[]): Promise<string[]> {
  const all = [...new Set(heads)];
  const fair: string[] = [];
  for (const head of all) {
    const isShared = (await countFrom(repository, head, heads)) > 1;
    if (isShared || (await isFair(repository, head, all))) fair.push(head);
  }
  return fair;
}

/** How many of `heads` are `head`, or have it in their history. */
async function countFrom(
  repository: string,
  head: string,
  heads: readonly string[],
): Promise<number> {
  let count = 0;
  for (const each of heads) if (await isAncestor(repository, head, each)) count += 1;
  return count;
}

/** Whether `head` brings none of `all` what only people may. */
async function isFair(repository: string, head: string, all: readonly string[]): Promise<boolean> {
  for (const other of all) {
    if (other === head || !(await isAncestor(repository, other, head))) continue;
    const lost = ['--diff-filter=D', '--', ...PARTS, ...RESTORED];
    if (await hasChanges(repository, other, head, lost)) return false;
    const beside = ['--', '.', ...OTHERS];
    const isIndex = !(await hasChanges(repository, EMPTY_TREE, other, beside));
    if (isIndex && (await hasChanges(repository, EMPTY_TREE, head, beside))) return false;
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
