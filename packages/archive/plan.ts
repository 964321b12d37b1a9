/**
 * What will be packed: every entry with its normalised mode, in archive order,
 * or a refusal that names every path that must not travel. Nothing is read here but
 * names and metadata, and nothing is written.
 *
 * Hard links are files here: each name is packed as a file of its own.
 */
import type { Stats } from 'node:fs';
import { Draft, type TreePlan } from './draft.ts';
import { compileExcludes } from './globs.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { pathProblem, quotePath } from './names.ts';
import { scanPart } from './scan.ts';

/**
 * Why something of the disk must not be packed, whatever it is: `is a secret key`. Asked of
 * every file and folder that is not excluded; what is below a refused folder is not looked at.
 */
export type Refuse = (source: string, stats: Stats) => string | undefined;

/** A folder or a file of the disk, and where it goes. */
export interface TreePart {
  /** A folder, whose content goes to `at`, or a file, which becomes `at`. */
  from: string;
  /** Path in the archive, `''` or `.` for the root. Folders missing on the way are made. */
  at: string;
}

/**
 * Plans the tree that `parts` make together. `exclude` holds globs on paths in
 * the archive; one that matches a folder covers all below it, and what is
 * excluded is not looked at.
 *
 * Throws `ArchiveError` ARCHIVE_UNPACKABLE naming every path that may not
 * travel (docs/formats.md), ARCHIVE_IO when the disk fails.
 */
export function planTree(options: {
  parts: readonly TreePart[];
  exclude?: readonly string[];
  refuse?: Refuse;
}): TreePlan {
  const excludes = compileExcludes(options.exclude ?? []);
  const draft = new Draft(excludes);
  for (const part of options.parts) {
    const at = part.at === '' ? '.' : part.at.replace(/\/$/, '');
    const wrong = at === '.' ? undefined : pathProblem(at, DEFAULT_LIMITS);
    if (at !== '.' && draft.isExcluded(at)) continue;
    if (wrong === undefined) {
      draft.makeParents(at);
      scanPart(draft, part.from, at, options.refuse);
    } else {
      draft.refuse({ path: at, what: `${quotePath(part.at)} ${wrong}` });
    }
  }
  return draft.finish();
}
