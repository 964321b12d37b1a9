/**
 * The commands as the tests start them: bundled once at the start of a run, from
 * the sources as they are. Our tests start thousands of processes, and loading
 * a few large files costs a third of loading two hundred small ones. The
 * launchers of the checkout are started by the tests of the installation.
 *
 * Bundles lie under `node_modules/.cache/launchers/<digest of the bundle>`, so
 * that runs at the same time share them and a change of a source is a new one.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { chmodSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Plugin } from 'rolldown';
import { bundle, type BundleFile, HOUSE, writeBundle } from '../../scripts/build/bundle.ts';

const CACHE = join(HOUSE, 'node_modules/.cache/launchers');
const PROGRAMS = ['release', 'mirrors', 'updater'];
/** Bundles that no run used for so long are of sources that are gone. */
const KEEP_MS = 86_400_000;

/** What a configuration imports by name comes from the bundle that loads it. */
const ours: Plugin = {
  name: 'ours',
  load: (id) =>
    id === join(HOUSE, 'mirrors/ours.ts')
      ? `const at = (name) => new URL(name, import.meta.url).href;
         export const OURS = {
           '@landfall/mirrors': at('./mirrors-index.cjs'),
           '@landfall/release': at('./release-index.cjs'),
         };`
      : undefined,
};

/** Vitest calls it once before all tests; what it sets, the workers inherit. */
export async function setup(): Promise<void> {
  const files = await bundle(
    {
      'release-main': 'release/main.ts',
      'mirrors-main': 'mirrors/main.ts',
      'updater-main': 'updater/main.ts',
      'release-index': 'release/index.ts',
      'mirrors-index': 'mirrors/index.ts',
      'archive-process': 'test/harness/archive-process.ts',
    },
    { plugins: [ours] },
  );
  process.env['LANDFALL_TEST_LAUNCHERS'] = install(files);
  prune();
}

function install(files: readonly BundleFile[]): string {
  const hash = createHash('sha256').update(process.execPath);
  for (const { name, code } of files) hash.update(`\0${name}\0${code}`);
  const folder = join(CACHE, hash.digest('hex').slice(0, 16));
  if (existsSync(folder)) {
    utimesSync(folder, new Date(), new Date());
    return folder;
  }
  mkdirSync(CACHE, { recursive: true });
  const scratch = mkdtempSync(join(CACHE, 'new-'));
  writeBundle(scratch, files);
  writeFileSync(join(scratch, 'package.json'), '{ "type": "commonjs" }\n');
  for (const program of PROGRAMS) writeLauncher(scratch, program);
  chmodSync(scratch, 0o755);
  try {
    renameSync(scratch, folder);
  } catch (error) {
    // Another run at the same time made the same.
    if (!existsSync(folder)) throw error;
    rmSync(scratch, { recursive: true });
  }
  return folder;
}

/** `<folder>/bin/<program>`, started by the Node of this run, with compiled code kept beside it. */
function writeLauncher(folder: string, program: string): void {
  mkdirSync(join(folder, program, 'bin'), { recursive: true });
  const launcher = join(folder, program, 'bin', program);
  writeFileSync(
    launcher,
    `#!${process.execPath}
require('node:module').enableCompileCache(require('node:path').join(__dirname, '../../compiled'));
require('../../${program}-main.cjs');
`,
  );
  chmodSync(launcher, 0o755);
}

function prune(): void {
  for (const name of readdirSync(CACHE)) {
    const path = join(CACHE, name);
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > KEEP_MS) rmSync(path, { recursive: true, force: true });
  }
}
