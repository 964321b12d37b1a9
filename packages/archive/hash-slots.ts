/**
 * The other side of `hash-thread.ts`, which `thread.ts` starts from its text.
 */

/** Numbers of one part, in `Shared.parts`. */
export const PART_NUMBERS = 3;

/** What both sides see. */
export interface Shared {
  slots: number;
  /** One number each: 1 once the thread runs; slots handed over, and done with, since the start. */
  ready: Int32Array<SharedArrayBuffer>;
  submitted: Int32Array<SharedArrayBuffer>;
  done: Int32Array<SharedArrayBuffer>;
  /** Of each slot: what is to be hashed, without gaps. */
  content: Uint8Array<SharedArrayBuffer>;
  /**
   * Of each slot: how many parts; then of each twice its bytes, and one more when a
   * string ends with it; the descriptor that it is written to, or -1; its place in that file.
   */
  parts: Float64Array<SharedArrayBuffer>;
  /** Of each slot: those of the strings that end in it. */
  digests: Uint8Array<SharedArrayBuffer>;
  /** When something could not be written: the system's number of the error, and of the string, from 0. */
  failed: Int32Array<SharedArrayBuffer>;
}

/**
 * Runs in the thread: writes and hashes slot after slot, for ever. Its text is what is
 * run, so it may refer to nothing outside of it.
 */
export function hashSlots(): void {
  const { createHash, hash } = process.getBuiltinModule('node:crypto');
  const { writeSync } = process.getBuiltinModule('node:fs');
  const { workerData } = process.getBuiltinModule('node:worker_threads');
  const { slots, ready, submitted, done, parts, digests, failed } = workerData as Shared;
  const content = Buffer.from((workerData as Shared).content.buffer);
  const [contentLength, partsLength] = [content.length / slots, parts.length / slots];
  const digestsLength = digests.length / slots;
  let open: ReturnType<typeof createHash> | undefined;
  /** Strings that have ended. */
  let ended = 0;
  const write = (fd: number, piece: Buffer, position: number): void => {
    try {
      for (let at = 0; at < piece.length;) {
        at += writeSync(fd, piece, at, piece.length - at, position + at);
      }
    } catch (error) {
      if (failed[0] !== 0) return;
      failed[1] = ended;
      failed[0] = (error as NodeJS.ErrnoException).errno ?? -1;
    }
  };
  const hashSlot = (slot: number): void => {
    let part = slot * partsLength;
    let from = slot * contentLength;
    let to = slot * digestsLength;
    for (let left = parts[part++] ?? 0; left > 0; left -= 1) {
      const told = parts[part++] ?? 0;
      const fd = parts[part++] ?? -1;
      const piece = content.subarray(from, from + Math.floor(told / 2));
      from += piece.length;
      if (fd >= 0) write(fd, piece, parts[part] ?? 0);
      part += 1;
      const ends = told % 2 === 1;
      if (!ends || open !== undefined) open = (open ?? createHash('sha256')).update(piece);
      if (!ends) continue;
      const digest = open?.digest() ?? hash('sha256', piece, 'buffer');
      digests.set(digest, to);
      to += digest.length;
      open = undefined;
      ended += 1;
    }
  };
  Atomics.store(ready, 0, 1);
  for (let next = 0; ; next += 1) {
    // It may be woken for a slot that it has seen already: the other side counts first, then wakes.
    while (Atomics.load(submitted, 0) === next) Atomics.wait(submitted, 0, next);
    hashSlot(next % slots);
    Atomics.add(done, 0, 1);
    Atomics.notify(done, 0);
  }
}
