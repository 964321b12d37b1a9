/**
 * What a deployment must answer with, told from its own files: the bytes of
 * its index.html, of the assets that page refers to, and of some more files
 * spread over the tree, the same ones every time.
 */
import { lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { hashFile } from '../deployments.ts';

/** A page larger than this is no page. */
export const MAX_INDEX_BYTES = 16 * 1024 * 1024;
/** Larger files are left out of the spread: a probe is to be cheap. */
const MAX_ASSET_BYTES = 4 * 1024 * 1024;

/** One file that is asked for. */
export interface Expected {
  /** Below the URL that is probed; '' is the page itself. */
  path: string;
  size: number;
  sha256: string;
}

/** What must be answered: the page first, then each asset; no other bytes will do. */
export interface ProbePlan {
  index: Expected;
  assets: Expected[];
}

/**
 * Plans the probe of the tree at `folder`, with up to `count` assets. Returns
 * the reason when there is no page to expect.
 */
export function planProbe(folder: string, count: number): ProbePlan | string {
  const page = join(folder, 'index.html');
  const stat = lstatSync(page, { throwIfNoEntry: false });
  if (stat === undefined || !stat.isFile()) return "it has no 'index.html'";
  if (stat.size === 0) return "its 'index.html' is empty";
  if (stat.size > MAX_INDEX_BYTES)
    return `its 'index.html' is larger than ${MAX_INDEX_BYTES} bytes`;
  return {
    index: expectFile('', page),
    assets: chooseAssets(folder, count).map((path) => expectFile(path, join(folder, path))),
  };
}

/** First what the page refers to, then what is spread over the tree, then whatever there is. */
function chooseAssets(folder: string, count: number): string[] {
  if (count === 0) return [];
  const files = listFiles(folder);
  const known = new Set(files);
  const referred = referencesOf(readFileSync(join(folder, 'index.html'), 'utf8'));
  const chosen = new Set<string>();
  const lists = [referred.filter((each) => known.has(each)), spread(files, count), files];
  // One by one, and sizes last: there are thousands of files, and few are chosen.
  for (const path of lists.values().flatMap((list) => list.values())) {
    if (chosen.size === count) break;
    const { size } = statSync(join(folder, path));
    if (size > 0 && size <= MAX_ASSET_BYTES) chosen.add(path);
  }
  return [...chosen];
}

function expectFile(path: string, file: string): Expected {
  return { path, size: statSync(file).size, sha256: hashFile(file) };
}

/** Paths that a page's `src` and `href` name, relative to it, in order. */
export function referencesOf(html: string): string[] {
  const found = html.matchAll(/\s(?:src|href)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))/gi);
  return [...found].flatMap(([, double, single, bare]) => {
    const reference = (double ?? single ?? bare ?? '').replace(/[?#].*$/s, '');
    if (reference === '' || /^(?:[a-z][a-z0-9+.-]*:|\/\/)/i.test(reference)) return [];
    const path = reference.replace(/^(?:\.?\/)+/, '');
    try {
      return [decodeURIComponent(path)];
    } catch {
      return [];
    }
  });
}

/** Plain files other than pages, in byte order. Names that servers tend to hide are left out. */
function listFiles(folder: string, prefix = '', found: string[] = []): string[] {
  const entries = readdirSync(`${folder}/${prefix}`, { withFileTypes: true });
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const { name } = entry;
    if (name.startsWith('.')) continue;
    if (entry.isDirectory()) listFiles(folder, `${prefix}${name}/`, found);
    // Directory pages are often redirected to their folder.
    else if (entry.isFile() && name !== 'index.html') found.push(`${prefix}${name}`);
  }
  return found;
}

function spread(files: readonly string[], count: number): string[] {
  const picks = Math.min(count, files.length);
  return Array.from({ length: picks }, (_, index) =>
    files.at(Math.floor((index * files.length) / picks)),
  ).flatMap((each) => each ?? []);
}
