/** The updater as a component of a release: one file that can be started, in editions that differ. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundle } from '../../scripts/build/bundle.ts';
import { temporaryFolder } from './temporary.ts';

let source: Promise<string> | undefined;

/**
 * An edition of the updater that works, or with `change` one that does not:
 * every text of it is replaced by the other, and must be there.
 */
export async function makeUpdater(
  edition: string,
  change: Readonly<Record<string, string>> = {},
): Promise<string> {
  source ??= bundle({ updater: 'updater/main.ts' }, { whole: true }).then(
    ([file]) => file?.code ?? '',
  );
  let code = await source;
  for (const [from, to] of Object.entries(change)) {
    if (!code.includes(from)) throw new Error(`the updater does not contain '${from}'`);
    code = code.replaceAll(from, to);
  }
  return writeProgram(`#!${process.execPath}\n${code}\n// ${edition}\n`);
}

/** A program that is no updater. */
export function writeProgram(text: string | Uint8Array): string {
  const file = join(temporaryFolder(), 'updater');
  writeFileSync(file, text);
  chmodSync(file, 0o755);
  return file;
}
