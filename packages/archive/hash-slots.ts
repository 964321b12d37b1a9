/**
 * The other side of `hash-thread.ts`, which `thread.ts` starts from its text.
 */

/** What both sides see. */
export interface Shared {
  slots: number;
  /** One number each: 1 once the thread runs; slots handed over, and hashed, since the start. */
  ready: Int32Array<SharedArrayBuffer>;
  submitted: Int32Array<SharedArrayBuffer>;
  done: Int32Array<SharedArrayBuffer>;
  /** Of each slot: what is to be hashed, without gaps. */
  content: Uint8Array<SharedArrayBuffer>;
  /** Of each slot: how many parts; then of each twice its bytes, and one more when a string ends with it. */
  parts: Uint32Array<SharedArrayBuffer>;
  /** Of each slot: those of the strings that end in it. */
  digests: Uint8Array<SharedArrayBuffer>;
}

/**
 * Runs in the thread: hashes slot after slot, for ever. Its text is what is run, so
 * it may refer to nothing outside of it.
 */
export function hashSlots(): void {
  const { createHash, hash } = process.getBuiltinModule('node:crypto');
  const { workerData } = process.getBuiltinModule('node:worker_threads');
  const { slots, ready, submitted, done, content, parts, digests } = workerData as Shared;
  const [contentLength, partsLength] = [content.length / slots, parts.length / slots];
  const digestsLength = digests.length / slots;
  let open: ReturnType<typeof createHash> | undefined;
  const hashSlot = (slot: number): void => {
    const first = slot * partsLength;
    let from = slot * contentLength;
    let to = slot * digestsLength;
    for (let index = 1; index <= (parts[first] ?? 0); index += 1) {
      const part = parts[first + index] ?? 0;
      const piece = content.subarray(from, from + Math.floor(part / 2));
      from += piece.length;
      const ends = part % 2 === 1;
      if (!ends || open !== undefined) open = (open ?? createHash('sha256')).update(piece);
      if (!ends) continue;
      const digest = open?.digest() ?? hash('sha256', piece, 'buffer');
      digests.set(digest, to);
      to += digest.length;
      open = undefined;
    }
  };
  Atomics.store(ready, 0, 1);
  for (let next = 0; ; next += 1) {
    Atomics.wait(submitted, 0, next);
    hashSlot(next % slots);
    Atomics.add(done, 0, 1);
    Atomics.notify(done, 0);
  }
}
