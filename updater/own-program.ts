/** How this program is started as a further process, in each of the forms it comes in. */
import { basename, dirname, join } from 'node:path';
import { isSea } from 'node:sea';
import { fileURLToPath } from 'node:url';

/**
 * The program and its first arguments: the single executable alone, else Node
 * with the bundle or the checkout's `main.ts`. Absolute paths.
 */
export function ownProgram(): readonly string[] {
  if (isSea()) return [process.execPath];
  const here = fileURLToPath(import.meta.url);
  const bundled = basename(here) !== 'own-program.ts';
  return [process.execPath, bundled ? here : join(dirname(here), 'main.ts')];
}
