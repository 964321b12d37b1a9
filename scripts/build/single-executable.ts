/**
 * One file with the program and the runtime inside. The same sources give the
 * same bytes, in any folder, for any user, under any umask: no path goes in.
 *
 * Compiled code goes in for linux-x64, made by the runtime itself: compiling
 * takes a third of a short run. Only a machine of that kind can make it; where
 * another one builds, it is left out.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { bundle, writeBundle } from './bundle.ts';
import { compileScripts, writeScripts } from './compiled.ts';
import { stripElf } from './elf.ts';
import { collectLicences, LICENCES_ASSET } from './licences.ts';
import { findRuntime, type Platform } from './runtime.ts';

/** See `node --help`, `--build-sea`. Paths are relative to the folder it runs in: they are built in. */
const CONFIG = {
  main: 'sea-main.cjs',
  mainFormat: 'commonjs',
  executable: 'runtime',
  output: 'updater',
  disableExperimentalSEAWarning: true,
  useSnapshot: false,
  useCodeCache: false,
  execArgv: ['--disable-sigusr1', '--no-global-search-paths'],
  /** NODE_OPTIONS could make root load anything. */
  execArgvExtension: 'none',
};

/** What is published is built on such machines. */
const COMPILED_FOR: Platform = 'linux-x64';

/**
 * Bundles `source` (relative to the checkout) and writes it with the runtime of
 * `platform` to `output`, mode 0755. A crash leaves what was there before. The
 * folders of the packages that are in it, relative to the checkout.
 */
export async function buildSingleExecutable(
  source: string,
  platform: Platform,
  output: string,
): Promise<readonly string[]> {
  const target = resolve(output);
  const main = await bundle({ 'sea-main': 'scripts/build/sea-main.ts' });
  const files = await bundle({ updater: source });
  const packages = [...new Set(files.flatMap((file) => file.packages))].toSorted();
  mkdirSync(dirname(target), { recursive: true });
  const scratch = mkdtempSync(join(dirname(target), '.build-'));
  try {
    writeBundle(scratch, main);
    const runtime = findRuntime(platform);
    writeFileSync(join(scratch, 'runtime'), stripElf(readFileSync(runtime)));
    chmodSync(join(scratch, 'runtime'), 0o755);
    const parts = join(scratch, 'parts');
    writeScripts(parts, files);
    if (platform === COMPILED_FOR && platform === `linux-${process.arch}`) {
      compileScripts(runtime, parts);
    }
    const assets = readdirSync(parts).toSorted();
    writeFileSync(join(scratch, LICENCES_ASSET), collectLicences(packages));
    const config = {
      ...CONFIG,
      assets: Object.fromEntries([
        [LICENCES_ASSET, LICENCES_ASSET],
        ...assets.map((name) => [name, join('parts', name)]),
      ]),
    };
    writeFileSync(join(scratch, 'sea.json'), JSON.stringify(config));
    execFileSync(process.execPath, ['--build-sea', 'sea.json'], {
      cwd: scratch,
      env: {},
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    chmodSync(join(scratch, 'updater'), 0o755);
    renameSync(join(scratch, 'updater'), target);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return packages;
}
