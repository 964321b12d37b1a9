/** Where this program stands, by a name that outlives its updates where there is one. */
import { existsSync, realpathSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { isSea } from 'node:sea';
import { fileURLToPath } from 'node:url';
import { UpdaterError } from '../errors.ts';

/**
 * Absolute path to start `updater` with: the name on PATH if it leads here, since a link there is
 * what stays when the file behind it is replaced; else the link in `root`, which a handover
 * replaces, if that does; else the file itself. Throws `UpdaterError` UNITS when this is no file that could
 * be started by itself (a bundle, run by Node).
 */
export function programPath(root: string): string {
  const here = isSea()
    ? process.execPath
    : fileURLToPath(new URL('../bin/updater', import.meta.url));
  if (!existsSync(here)) {
    throw new UpdaterError('UNITS', 'expected a program that a unit can start, found a bundle', {
      hint: "install units with the single executable, or with a checkout's bin/updater",
    });
  }
  const real = realpathSync(here);
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((each) => isAbsolute(each));
  const names = [...folders, root].map((folder) => join(folder, 'updater'));
  return names.find((name) => existsSync(name) && realpathSync(name) === real) ?? here;
}
