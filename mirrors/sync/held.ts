/** What an earlier run, cut off, had fetched already. */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { systemCode } from '@landfall/errors';
import type { ReleaseFile } from '@landfall/manifest';
import { readSignedBytes } from '../signed-bytes.ts';

/** The file at `path`, open for reading, if it has the artifact's bytes. The caller closes it. */
export async function openHeld(path: string, artifact: ReleaseFile): Promise<number | undefined> {
  const fd = openIfThere(path);
  if (fd === undefined) return undefined;
  let isHeld = false;
  try {
    const info = fstatSync(fd);
    const mayBe = info.isFile() && info.size === artifact.size;
    isHeld = mayBe && (await readSignedBytes(fd, artifact)).isRight === true;
    return isHeld ? fd : undefined;
  } finally {
    if (!isHeld) closeSync(fd);
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
