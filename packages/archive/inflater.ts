/**
 * One of Node's decompressing streams, driven a piece at a time. The streams
 * ignore what follows the end of their format, so the caller watches `consumed`
 * and uses a fresh one for each frame.
 *
 * Memory: all that one piece unpacks to is held at once. Callers bound it by
 * the size of the pieces.
 */
import type { InflateRaw, ZstdDecompress } from 'node:zlib';

/** Unpacks one frame or member. Whoever made it calls `destroy` in the end. */
export class Inflater {
  readonly #stream: InflateRaw | ZstdDecompress;
  #output: Buffer[] = [];
  #written = 0;
  /** A codec's error destroys the stream without answering the write under way. */
  #failure: Error | undefined;
  /** Of whoever waits for the stream: nothing that is kept as long as this may grow with each piece. */
  #reject: ((error: Error) => void) | undefined;

  constructor(stream: InflateRaw | ZstdDecompress) {
    this.#stream = stream;
    stream.on('data', (chunk: Buffer) => this.#output.push(chunk));
    stream.on('error', (error: Error) => {
      this.#failure ??= error;
      this.#reject?.(error);
    });
  }

  /** Bytes handed in that the format took. Fewer than `written`: the format ended. */
  get consumed(): number {
    return this.#stream.bytesWritten;
  }

  get written(): number {
    return this.#written;
  }

  /** What `piece` unpacks to. The piece is copied. Throws the codec's error. */
  async feed(piece: Buffer): Promise<Buffer[]> {
    this.#written += piece.length;
    const copy = Buffer.from(piece);
    await this.#answer((resolve) => this.#stream.write(copy, () => resolve()));
    return this.#take();
  }

  /** The rest, once all was fed. Throws when the format says that more must come. */
  async finish(): Promise<Buffer[]> {
    await this.#answer((resolve) => this.#stream.on('end', resolve).end());
    return this.#take();
  }

  /** Until the stream has answered what it is asked, or has failed. */
  #answer(ask: (resolve: () => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      this.#reject = reject;
      ask(resolve);
    });
  }

  #take(): Buffer[] {
    const output = this.#output;
    this.#output = [];
    return output;
  }

  destroy(): void {
    this.#stream.destroy();
  }
}
