/** The rules of what may travel, for a listing that did not come in an archive. */
import { DEFAULT_LIMITS } from './limits.ts';
import { TreeRules } from './tree-rules.ts';
import type { ListingEntry } from './tree.ts';

/**
 * Holds `listing`, the root first and the rest in byte order, to what the gate
 * holds an archive to: paths, modes, order, parents, twins, caps. `subject`
 * names it in messages. Throws `ArchiveError` ARCHIVE_REFUSED, the root's mode first.
 */
export function checkListing(subject: string, listing: readonly ListingEntry[]): void {
  const rules = new TreeRules(subject, DEFAULT_LIMITS);
  listing.forEach(({ path, type, mode, size }, index) => {
    const slash = type === 'directory' ? '/' : '';
    rules.check({
      name: path === '.' ? `.${slash}` : `./${path}${slash}`,
      flag: type === 'directory' ? '5' : '0',
      mode,
      size,
      index: index + 1,
      ...PLAIN,
    });
  });
  rules.finish();
}

/** What a listing does not tell is as it should be. */
const PLAIN = { uid: 0, gid: 0, mtime: 0, linkName: '', userName: '', groupName: '' };
