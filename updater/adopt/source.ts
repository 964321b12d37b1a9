/**
 * What is adopted, as it is read: it may belong to a user who is not to be believed, the
 * web server's above all, and is read as root. So no link is followed, on the way
 * to a file of a folder or at its end, whoever puts one there meanwhile, and only plain files are read.
 */
import { closeSync, fstatSync, realpathSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { StagingFolder } from '@landfall/archive';
import { UpdaterError } from '../errors.ts';
import type { InventoryComponent } from '../records/inventory-file.ts';

/** Reads files below the folder `source`, or the file `source`, for as long as `work` runs. */
export function readSource<T>(
  { kind, source }: Pick<InventoryComponent, 'kind'> & { source: string },
  work: (read: ReadFile) => T,
): T {
  const isFile = kind === 'file';
  // The way to a single file is the operator's word; below a folder it is nobody's.
  const folder = new StagingFolder(isFile ? realpathSync(dirname(source)) : source);
  try {
    return work((path, use) => {
      const name = isFile ? basename(source) : path;
      const fd = openAsListed(folder, name);
      try {
        return use(StagingFolder.descriptor(fd));
      } finally {
        closeSync(fd);
      }
    });
  } finally {
    folder.close();
  }
}

/** Gives `use` a path that opens the file `path` of the source, `.` for a single one. Throws `UpdaterError` ADOPTION. */
export type ReadFile = <T>(path: string, use: (descriptor: string) => T) => T;

function openAsListed(folder: StagingFolder, path: string): number {
  try {
    const fd = folder.openFile(path);
    if (fstatSync(fd).isFile()) return fd;
    closeSync(fd);
  } catch (error) {
    throw changed(path, error);
  }
  throw changed(path);
}

function changed(path: string, cause?: unknown): UpdaterError {
  return new UpdaterError('ADOPTION', `'${path}' is no plain file any more, or not there`, {
    hint: 'run it again; what keeps writing there must stop first',
    ...(cause === undefined ? {} : { cause }),
  });
}
