/**
 * The head of an index that is kept in git, made of the tree that it stands in:
 * the same for every commit of these files. Nothing but loose objects is written.
 */
import { runGit } from './git.ts';
import { digestOf, formatHead, HEAD_PATH, isCovered } from './head.ts';

/** The bytes of the head that belongs to `tree` (or a commit) of `repository`; undefined where there can be none. */
export async function headFor(repository: string, tree: string): Promise<Uint8Array | undefined> {
  const args = ['ls-tree', '-r', '-z', '--full-tree', tree, '--', 'releases/'];
  const { code, stdout: listing } = await runGit(args, { repository });
  if (code !== 0) return undefined;
  const entries = listing.split('\0').flatMap(parseEntry);
  // A channel of that name has it.
  if (entries.some(({ path }) => path.startsWith(`${HEAD_PATH}/`))) return undefined;
  const files = new Map<string, string>();
  for (const { path, blob } of entries) {
    if (!isCovered(path)) continue;
    const file = await runGit(['cat-file', 'blob', blob], { repository });
    if (file.code === 0) files.set(path, digestOf(file.bytes));
  }
  return formatHead(files);
}

/** Whether commit `id` has a head that tells of something else than it holds. */
export async function hasWrongHead(repository: string, id: string): Promise<boolean> {
  const { code, bytes } = await runGit(['cat-file', 'blob', `${id}:${HEAD_PATH}`], { repository });
  if (code !== 0) return false;
  const right = await headFor(repository, id);
  return right === undefined || !bytes.equals(right);
}

/** Of plain files: what else stands in a tree is served as something else. */
function parseEntry(line: string): { path: string; blob: string }[] {
  const [, blob, path] = /^100(?:644|755) blob ([0-9a-f]+)\t(.+)$/s.exec(line) ?? [];
  return blob === undefined || path === undefined ? [] : [{ path, blob }];
}
