/** Reads and writes at a position of an open file, all of what is asked for. */
import { read, write, writeSync, writev } from 'node:fs';
import { promisify } from 'node:util';

/** Of one call. */
const MOST_PIECES = 512;

const readOnce = promisify(read);
const writeOnce = promisify(write);
const writevOnce = promisify(writev);

/** Fills `buffer` from `position` on; fewer bytes only where the file ends. */
export async function readAt(fd: number, buffer: Buffer, position: number): Promise<number> {
  let done = 0;
  while (done < buffer.length) {
    const rest = buffer.length - done;
    const { bytesRead } = await readOnce(fd, buffer, done, rest, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

/** Writes `pieces`, one after the other, off the main thread. */
export async function writePieces(
  fd: number,
  pieces: readonly Uint8Array[],
  position: number,
): Promise<void> {
  if (pieces.length === 0) return;
  const list = pieces.length > MOST_PIECES ? [Buffer.concat(pieces)] : [...pieces];
  const size = list.reduce((sum, { length }) => sum + length, 0);
  let done = (await writevOnce(fd, list, position)).bytesWritten;
  if (done === size) return;
  const bytes = Buffer.concat(list);
  while (done < size) {
    done += (await writeOnce(fd, bytes, done, size - done, position + done)).bytesWritten;
  }
}

/** On the main thread. */
export function writeAllSync(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;) {
    done += writeSync(fd, bytes, done, bytes.length - done, position + done);
  }
}
