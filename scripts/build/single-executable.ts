/**
 * One file with the program and the runtime inside. The same sources give the
 * same bytes, in any folder, for any user, under any umask: neither compiled
 * code (its bytes vary) nor a path goes in.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, renameSync } from 'node:fs';
import { rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { bundle, writeBundle } from './bundle.ts';
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
  const assets = [LICENCES_ASSET, ...files.map(({ name }) => name)];
  mkdirSync(dirname(target), { recursive: true });
  const scratch = mkdtempSync(join(dirname(target), '.build-'));
  try {
    writeBundle(scratch, [...main, ...files]);
    writeFileSync(join(scratch, 'runtime'), stripElf(readFileSync(findRuntime(platform))));
    chmodSync(join(scratch, 'runtime'), 0o755);
    writeFileSync(join(scratch, LICENCES_ASSET), collectLicences(packages));
    const config = { ...CONFIG, assets: Object.fromEntries(assets.map((name) => [name, name])) };
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
