/**
 * The files of a bundle as a single executable runs them, with what V8 makes of
 * them beside each: compiling takes a third of a short run.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { type BundleFile, HOUSE, writeBundle } from './bundle.ts';

/** Writes `files` to `folder` as scripts whose value is the function that `sea-main.ts` calls. */
export function writeScripts(folder: string, files: readonly BundleFile[]): void {
  const scripts = files.map(({ code, ...file }) => ({
    ...file,
    code: `(function (exports, require, module, __filename) {${code}\n})`,
  }));
  writeBundle(folder, scripts);
}

/** Writes beside every script in `folder` what `runtime` makes of it, as `<name>.compiled`: always the same bytes. */
export function compileScripts(runtime: string, folder: string): void {
  const program = join(HOUSE, 'scripts/build/compile-process.ts');
  execFileSync(runtime, ['--hash-seed=1', '--random-seed=1', program, folder], {
    env: {},
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}
