/**
 * Frames decoded ahead of their reader, in order. The codecs run on Node's
 * thread pool, so decoding goes on while the reader writes files.
 */
import { giveBack } from './give-back.ts';

/** Frames under way while one is read; each holds what it unpacks to, and two readers may run at once. */
const AHEAD = 1;

/** One frame is decoded while the one before it is read. What it yields is valid until the next. */
export class Ahead {
  readonly #pending: Promise<Buffer>[] = [];

  /** Takes a frame that is being decoded; yields the oldest once enough are under way. */
  async *push(frame: Promise<Buffer>): AsyncGenerator<Buffer> {
    // A failure is met when the frame's turn comes; until then it is not unhandled.
    frame.catch(() => {});
    this.#pending.push(frame);
    if (this.#pending.length > AHEAD) yield* this.#next();
  }

  /** All that are left. */
  async *drain(): AsyncGenerator<Buffer> {
    while (this.#pending.length > 0) yield* this.#next();
  }

  async *#next(): AsyncGenerator<Buffer> {
    const frame = this.#pending.shift();
    if (frame === undefined) return;
    const content = await frame;
    yield content;
    giveBack(content);
  }
}
