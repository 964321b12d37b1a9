/** Memory of large buffers, freed when they were used and not when a collection finds them: by then there may be many. */

/** Buffers below may share their memory with others. */
const LEAST_FREED = 1024 * 1024;

/** Frees what is behind `bytes`, which nobody reads again. Of small buffers nothing is freed. */
export function giveBack({ buffer }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength > LEAST_FREED) buffer.transfer(0);
}
