/** What is sent, no faster than a bandwidth that several uploads may share. */
import type { Pacer } from './mirror.ts';

/** Times a second that bytes go out when they are paced. */
const STEPS = 4;

/** `chunks`, each handed on when it may go, large ones in parts; as they are without a bandwidth. */
export async function* pace(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  bandwidth: Pacer | undefined,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (bandwidth === undefined) {
    yield* chunks;
    return;
  }
  const part = Math.max(1, Math.floor(bandwidth.bytesPerSecond / STEPS));
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += part) {
      const piece = chunk.subarray(at, at + part);
      await bandwidth.take(piece.length, signal);
      yield piece;
    }
  }
}
