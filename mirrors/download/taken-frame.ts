/**
 * A frame on its way to the disk. It is written as it comes in, before it was
 * checked: what is wrong is not counted, and is written over. When two mirrors
 * send one frame, only the first writes; what the other sends stays in memory
 * until it was checked, and is written when the first writes no more. So no
 * wrong byte is ever written over a right one that counts.
 */
import { createHash } from 'node:crypto';
import { crashPoint } from '@landfall/cli';
import { Pieces } from '../pieces.ts';
import type { Frame } from './board.ts';
import { writePieces } from './disk.ts';

/** Who writes which frame as it comes in. */
export type Writers = Map<Frame, TakenFrame>;

/** One frame as one mirror sends it. `leave` is called at the end, however that comes. */
export class TakenFrame {
  readonly #frame: Frame;
  readonly #writers: Writers;
  readonly #hash = createHash('sha256');
  readonly #isFirst: boolean;
  #isMuted = false;
  readonly #held = new Pieces();
  #at: number;
  #writing: Promise<void> = Promise.resolve();

  constructor(frame: Frame, writers: Writers) {
    this.#frame = frame;
    this.#writers = writers;
    this.#at = frame.start;
    this.#isFirst = !writers.has(frame);
    if (this.#isFirst) writers.set(frame, this);
  }

  /** Bytes that wait to be written; 0 where they have to wait for the check. */
  take(piece: Uint8Array): number {
    this.#hash.update(piece);
    if (this.#isMuted) return 0;
    this.#held.add(piece);
    return this.#isFirst ? this.#held.bytes : 0;
  }

  /** In hex; once. */
  digest(): string {
    return this.#hash.digest('hex');
  }

  /** Begins to write what is held, when what was written before is. Throws the disk's error, also of the write before. */
  async flush(fd: number): Promise<void> {
    await this.#writing;
    if (this.#isMuted) return;
    const { bytes } = this.#held;
    this.#writing = writeHeld(fd, this.#held.take(), this.#at);
    this.#writing.catch(() => undefined);
    this.#at += bytes;
  }

  /** Writes the rest of a frame that is right. False when another came before. */
  async finish(fd: number): Promise<boolean> {
    if (!this.#isFirst) {
      const other = this.#writers.get(this.#frame);
      if (other !== undefined) await other.#mute();
      this.#writers.set(this.#frame, this);
    }
    await this.flush(fd);
    await this.#writing;
    return !this.#isMuted;
  }

  /** Nothing of it is being written any more when this resolves. Its errors are told by the other calls. */
  async leave(): Promise<void> {
    await this.#mute();
    if (this.#writers.get(this.#frame) === this) this.#writers.delete(this.#frame);
  }

  async #mute(): Promise<void> {
    this.#isMuted = true;
    this.#held.take();
    await this.#writing.catch(() => undefined);
  }
}

async function writeHeld(fd: number, pieces: readonly Uint8Array[], at: number): Promise<void> {
  await writePieces(fd, pieces, at);
  crashPoint('download-part-written');
}
