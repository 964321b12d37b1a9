/**
 * The Debian trees that machines stand on, one for each kind of init: installed
 * once per computer, never written to by a machine.
 */
import { fileURLToPath } from 'node:url';
import { runProgram } from './systemd-machine-process.ts';

/** What runs as PID 1. */
export type Init = 'systemd' | 'openrc';

/** Packages are downloaded and installed. */
export const TREE_TIMEOUT_MS = 600_000;

/**
 * Makes the tree that machines stand on, unless this computer has it. Call it
 * in `beforeAll` with `TREE_TIMEOUT_MS`. Returns its folder; throws with the
 * reason where it cannot be made.
 */
export async function prepareTree(init: Init): Promise<string> {
  const script = fileURLToPath(new URL('../../scripts/test-machine.sh', import.meta.url));
  const made = await runProgram(['sh', script, init], { timeoutMs: TREE_TIMEOUT_MS });
  if (made.code !== 0) throw new Error(made.stderr.trim());
  return made.stdout.trim();
}
