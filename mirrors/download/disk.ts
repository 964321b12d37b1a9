/** Reads and writes at a position of an open file, all of what is asked for; digests. Off the main thread, but for one. */
import { read, write, writeSync } from 'node:fs';
import { promisify } from 'node:util';

const readOnce = promisify(read);
const writeOnce = promisify(write);

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

export async function writeAll(fd: number, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const rest = bytes.length - done;
    done += (await writeOnce(fd, bytes, done, rest, position + done)).bytesWritten;
  }
}

/** On the main thread. */
export function writeAllSync(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;) {
    done += writeSync(fd, bytes, done, bytes.length - done, position + done);
  }
}

/** SHA-256 in hex. */
export async function digestOf(bytes: Buffer<ArrayBuffer>): Promise<string> {
  return Buffer.from(await crypto.subtle.digest('SHA-256', bytes)).toString('hex');
}
