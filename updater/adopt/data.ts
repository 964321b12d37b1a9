/**
 * What among a folder is data, where nobody can tell which release the folder is: an older release
 * has files that the newest does not have, and they are no data. So a path counts only when it shows:
 *
 * 1. its name is one of data, and the newest release has nothing of that kind;
 * 2. the web server's user can write it, and not `index.html`: a release is nobody's to write;
 * 3. it was written long after `index.html` was put there: a release comes as one. By mtime and ctime:
 *    deployments set back the first, and a chmod of a few files later moves the second. (Files that are
 *    older than the page are usual: what did not change is not always copied.)
 *
 * Pure.
 */
import type { ListingEntry } from '@landfall/archive';
import type { User } from '../effects/look-apart.ts';
import { describePaths } from '../heal/tell.ts';

/** An entry of the folder, as the disk has it. */
export interface Seen {
  path: string;
  type: 'directory' | 'file';
  mode: number;
  uid: number;
  gid: number;
  mtimeMs: number;
  ctimeMs: number;
}

const PAGE = 'index.html';
/** A deployment takes less time than this. */
const LONG_AFTER_MS = 3_600_000;

const DATA_FOLDER = /^(?:\.git|\.hg|\.svn|backups?|uploads?|user-?(?:data|files))$/i;
const DATA_FILE =
  /(?<!^thumbs)\.(?:sqlite3?|db|mdb)(?:-wal|-shm|-journal)?$|\.(?:php\d?|phtml|cgi|env|htpasswd|log)$|^\.env\./i;

/**
 * Those of `seen` that are data, and how that shows, in words; undefined when none is. `released` is
 * what the newest release has, empty where it is not known; `user` the web server's, if it is known.
 */
export function describeData(
  seen: readonly Seen[],
  released: readonly Pick<ListingEntry, 'path' | 'type'>[],
  user: User | undefined,
): string | undefined {
  const known = new Set(released.map(({ path }) => path));
  const kinds = new Set(released.map((each) => dataName(each)?.kind));
  const page = seen.find(({ path }) => path === PAGE);
  const [named, written, late] = [new Set<string>(), new Set<string>(), new Set<string>()];
  for (const each of seen) {
    if (known.has(each.path)) continue;
    const name = dataName(each);
    if (name !== undefined && !kinds.has(name.kind)) named.add(name.path);
    else if (page === undefined || each.type === 'directory') continue;
    else if (canWrite(user, each) && !canWrite(user, page)) written.add(each.path);
    else if (Math.min(each.mtimeMs, each.ctimeMs) - page.ctimeMs >= LONG_AFTER_MS) {
      late.add(each.path);
    }
  }
  const found = [
    [named, 'by name'],
    [written, `'${user?.name}' can write it, and not ${PAGE}`],
    [late, `written an hour or more after ${PAGE}`],
  ] as const;
  const words = found.flatMap(([paths, why]) =>
    paths.size === 0 ? [] : [`${describePaths([...paths])} (${why})`],
  );
  return words.length === 0 ? undefined : words.join('; ');
}

/** What of a path has a name of data: a folder on the way, or the file; and the kind of it. */
function dataName({
  path,
  type,
}: Pick<Seen, 'path' | 'type'>): { path: string; kind: string } | undefined {
  const names = path.split('/');
  const folders = type === 'directory' ? names : names.slice(0, -1);
  const at = folders.findIndex((name) => DATA_FOLDER.test(name));
  if (at >= 0) {
    return { path: names.slice(0, at + 1).join('/'), kind: `${names[at]}/`.toLowerCase() };
  }
  const [kind] = (type === 'file' && DATA_FILE.exec(names.at(-1) ?? '')) || [];
  return kind === undefined ? undefined : { path, kind: kind.toLowerCase() };
}

function canWrite(user: User | undefined, { uid, gid, mode }: Seen): boolean {
  if (user === undefined) return false;
  if (uid === user.uid) return (mode & 0o200) !== 0;
  return (mode & (user.groups.includes(gid) ? 0o020 : 0o002)) !== 0;
}
