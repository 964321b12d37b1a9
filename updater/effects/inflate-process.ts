/**
 * The other side of `inflate-apart.ts`: gives up its rights, then answers one
 * request after the other, until there are no more. It reads descriptor 0 and
 * writes descriptor 1, and its memory is all that it needs.
 */
import { readSync, writeSync } from 'node:fs';
import { DeltaError, inflateHere } from '@landfall/delta';
import { ANSWER, REQUEST_BYTES } from './inflate-apart.ts';
import { giveUpRights } from './unpack-process.ts';

/** Answers until requests end. A damaged frame is an answer; whatever else goes wrong is thrown. */
export async function runInflate(): Promise<void> {
  giveUpRights();
  for (let request = read(REQUEST_BYTES); request !== undefined; request = read(REQUEST_BYTES)) {
    const [packed, content, referred] = [0, 4, 8].map((at) => request?.readUInt32LE(at) ?? 0);
    const frame = read(packed ?? 0);
    const dictionary = referred === 0 ? undefined : read(referred ?? 0);
    if (frame === undefined) return;
    try {
      const unpacked = await inflateHere(frame, { content: content ?? 0, dictionary });
      write(Buffer.of(ANSWER.unpacked));
      write(unpacked);
    } catch (error) {
      if (!(error instanceof DeltaError)) throw error;
      write(Buffer.of(ANSWER.damaged));
    }
  }
}

/** So many bytes; undefined where they end. */
function read(size: number): Buffer | undefined {
  const bytes = Buffer.allocUnsafeSlow(size);
  for (let done = 0; done < size;) {
    const count = readSync(0, bytes, done, size - done, null);
    if (count === 0) return undefined;
    done += count;
  }
  return bytes;
}

function write(bytes: Buffer): void {
  for (let done = 0; done < bytes.length;) done += writeSync(1, bytes, done);
}
