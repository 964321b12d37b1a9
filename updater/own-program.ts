/** How this program is started as a further process, in each of the forms it comes in. */
import { dirname, join } from 'node:path';
import { isSea } from 'node:sea';
import { fileURLToPath } from 'node:url';

/** The checkout's, until the file that was started says that it is another: a bundle's. */
let file = join(dirname(fileURLToPath(import.meta.url)), 'main.ts');

/** Told by the file that starts this program, with its `import.meta.url`. */
export function beOwnProgram(url: string): void {
  file = fileURLToPath(url);
}

/**
 * The program and its first arguments: the single executable alone, else Node
 * with the bundle or the checkout's `main.ts`. Absolute paths.
 */
export function ownProgram(): readonly string[] {
  return isSea() ? [process.execPath] : [process.execPath, file];
}

/** The same, with the options of Node's that this process was started with. */
export function ownProgramAsHere(): readonly string[] {
  const [program = '', ...own] = ownProgram();
  // The single executable has its options built in.
  return own.length === 0 ? [program] : [program, ...process.execArgv, ...own];
}
