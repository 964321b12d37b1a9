/** In whatever pieces a mirror sends something: what is held of it costs about its size. */
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { collect } from '../../mirrors/bounded.ts';
import { TakenFrame } from '../../mirrors/download/taken-frame.ts';
import { Pieces } from '../../mirrors/pieces.ts';
import { bytesInUse } from '../harness/heap.ts';
import { temporaryFolder } from '../harness/temporary.ts';

const CONTENT = randomBytes(100_000);
const MOST_BYTES = 2_000_000;

/** The byte at `at`, as one that came alone: with memory of its own. */
function single(at: number): Buffer {
  const piece = Buffer.allocUnsafeSlow(1);
  piece[0] = CONTENT[at] ?? 0;
  return piece;
}

/** The content byte by byte, and what is held before its end. */
async function* drip(note: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  const before = bytesInUse();
  for (let at = 0; at < CONTENT.length; at += 1) yield single(at);
  note(bytesInUse() - before);
}

it('an answer that comes byte by byte does not fill memory', async () => {
  let held = Infinity;
  const bytes = await collect(drip((found) => (held = found)));
  expect(CONTENT.equals(bytes)).toBe(true);
  expect(held).toBeLessThan(MOST_BYTES);
});

it('nor does a frame, whether it may be written or waits for another', async () => {
  const path = join(temporaryFolder(), 'file');
  const fd = openSync(path, 'w+');
  const sha256 = createHash('sha256').update(CONTENT).digest('hex');
  const frame = { index: 0, start: 0, end: CONTENT.length, sha256 };
  const writers = new Map<typeof frame, TakenFrame>();
  const taken = [new TakenFrame(frame, writers), new TakenFrame(frame, writers)];
  for (const each of taken) {
    for await (const piece of drip((found) => expect(found).toBeLessThan(MOST_BYTES))) {
      each.take(piece);
    }
    expect(each.digest()).toBe(sha256);
  }
  // The second alone writes.
  expect(await taken[1]?.finish(fd)).toBe(true);
  expect(readFileSync(path).equals(CONTENT)).toBe(true);
  expect(await taken[0]?.finish(fd)).toBe(false);
  closeSync(fd);
});

it('pieces keep what came and little else, however it was cut', () => {
  const size = fc.constantFrom(0, 1, 100, 4095, 4096, 5000, 65_535, 65_536, 200_000);
  const piece = fc.record({ size, from: fc.constantFrom(0, 10, 1e6), thenTaken: fc.boolean() });
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (list) => {
      const pieces = new Pieces();
      const [came, taken]: Buffer[][] = [[], []];
      for (const [index, each] of list.entries()) {
        // A part of what a socket gave, or all of it.
        const whole = Buffer.alloc(each.from + each.size, index + 1);
        came?.push(Buffer.alloc(each.size, index + 1));
        pieces.add(whole.subarray(each.from));
        if (each.thenTaken) taken?.push(...(pieces.take() as Buffer[]));
      }
      taken?.push(...(pieces.take() as Buffer[]));
      expect(pieces.bytes).toBe(0);
      const bytes = Buffer.concat(came ?? []);
      expect(Buffer.concat(taken ?? []).equals(bytes)).toBe(true);
      const behind = new Set(taken?.map(({ buffer }) => buffer));
      const kept = [...behind].reduce((sum, { byteLength }) => sum + byteLength, 0);
      expect(kept).toBeLessThanOrEqual(2 * bytes.length + 65_536);
    }),
  );
});
