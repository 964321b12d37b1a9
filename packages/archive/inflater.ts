/**
 * One of Node's decompressing streams, driven a piece at a time. The streams
 * ignore what follows the end of their format, so the caller watches `consumed`
 * and uses a fresh one for each frame.
 *
 * Memory: all that one piece unpacks to is held at once. Callers bound it by
 * the size of the pieces.
 */
import type { InflateRaw, ZstdDecompress } from 'node:zlib';

export class Inflater {
  readonly #stream: InflateRaw | ZstdDecompress;
  #output: Buffer[] = [];
  #written = 0;
  /** A codec's error destroys the stream without answering the write under way. */
  readonly #failed: Promise<never>;

  constructor(stream: InflateRaw | ZstdDecompress) {
    this.#stream = stream;
    stream.on('data', (chunk: Buffer) => this.#output.push(chunk));
    this.#failed = new Promise((_, reject) => stream.on('error', reject));
    this.#failed.catch(() => {});
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
    const fed = new Promise<void>((resolve) => {
      this.#stream.write(Buffer.from(piece), () => resolve());
    });
    await Promise.race([this.#failed, fed]);
    return this.#take();
  }

  /** The rest, once all was fed. Throws when the format says that more must come. */
  async finish(): Promise<Buffer[]> {
    const ended = new Promise<void>((resolve) => this.#stream.on('end', resolve));
    this.#stream.end();
    await Promise.race([this.#failed, ended]);
    return this.#take();
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
