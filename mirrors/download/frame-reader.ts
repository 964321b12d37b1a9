/**
 * One mirror's part in a download by frames: asks for the frames it was given
 * in one request, hashes and writes them as they come in, and counts each that
 * is whole and right.
 */
import { crashPoint } from '@landfall/cli';
import type { ArtifactStream, Mirror } from '../mirror.ts';
import type { Frame, FrameBoard, Source } from './board.ts';
import { type Attempt, openAt, wrong } from './options.ts';
import { TakenFrame, type Writers } from './taken-frame.ts';

/** What is written at once. */
const WRITE_BYTES = 1024 * 1024;

/** The download that a reader takes part in, and whom it tells what came. */
export interface FrameWork {
  attempt: Attempt;
  /** All frames of the file. */
  frames: readonly Frame[];
  board: FrameBoard;
  writers: Writers;
  signal: AbortSignal;
  /** Bytes came. */
  onBytes: () => void;
  /** A frame is on the disk that was not there before. */
  onFrame: (frame: Frame) => void;
}

/** Reads one mirror, one request at a time; a `patient` one bears a slower mirror. */
export class FrameReader implements Source {
  readonly #mirror: Mirror;
  readonly #patient: boolean;
  readonly #work: FrameWork;
  #spent = 0;
  #since: number | undefined;
  #taken: TakenFrame | undefined;
  #landing: Promise<void> = Promise.resolve();
  run: Frame[] = [];
  bytes = 0;
  filled = 0;

  constructor(mirror: Mirror, patient: boolean, work: FrameWork) {
    this.#mirror = mirror;
    this.#patient = patient;
    this.#work = work;
  }

  /** Milliseconds spent on requests. */
  get ms(): number {
    return this.#spent + (this.#since === undefined ? 0 : performance.now() - this.#since);
  }

  /**
   * Fetches `run`, or as much of it as others leave to it. `of no use`: it
   * sends only all of the file, which others are at work on. Throws
   * `MirrorError`, the reason of the signal, and errors of the disk.
   */
  async fetch(): Promise<'done' | 'of no use'> {
    this.#since = performance.now();
    try {
      const result = await this.#request();
      await this.#landing;
      return result;
    } finally {
      this.#spent = this.ms;
      this.#since = undefined;
      this.run = [];
      this.filled = 0;
      // Nothing is written any more when this returns.
      await this.#landing.catch(() => undefined);
      await this.#taken?.leave();
      this.#taken = undefined;
    }
  }

  async #request(): Promise<'done' | 'of no use'> {
    const { attempt, board, signal } = this.#work;
    const [first, last] = [this.run[0], this.run.at(-1)];
    if (first === undefined || last === undefined) return 'done';
    const span = { start: first.start, end: last.end };
    const stream = await openAt(this.#mirror, attempt, { patient: this.#patient, span, signal });
    if (stream.start === span.start) {
      await this.#read(stream, first, span.end);
      return 'done';
    }
    this.run = [];
    if (board.hasOthers(this)) {
      await stream.body.return?.();
      return 'of no use';
    }
    await this.#read(stream, undefined, attempt.options.size);
    return 'done';
  }

  /**
   * Reads frames from `first` on, or all of the file in passing, of which only
   * what is missing is taken. Throws `MirrorError` when the body ends before `end`.
   */
  async #read(stream: ArtifactStream, first: Frame | undefined, end: number): Promise<void> {
    const { attempt, frames, onBytes } = this.#work;
    const after = (each: Frame): Frame | undefined =>
      first === undefined ? this.#inPassing(frames[each.index + 1]) : this.#after(each);
    let frame = first ?? this.#inPassing(frames[0]);
    let at = stream.start;
    // The loop ends the body when it is left, also by an error.
    for await (const chunk of stream.body) {
      this.bytes += chunk.length;
      let done = 0;
      while (frame !== undefined && done < chunk.length) {
        const piece = chunk.subarray(done, done + frame.end - at);
        await this.#put(frame, piece, at);
        done += piece.length;
        at += piece.length;
        if (at < frame.end) break;
        await this.#land(frame);
        frame = after(frame);
      }
      onBytes();
      // What would follow is not wanted, or others have it.
      if (frame === undefined && (at < end || done < chunk.length)) return;
    }
    if (frame === undefined || at >= end) return;
    const [expected, found] = [end - stream.start, at - stream.start];
    throw wrong(this.#mirror, attempt.options.file, `${expected} bytes`, `${found} bytes`);
  }

  /** The frame to read on with: the next of the run, or one that nobody has, if the mirror goes on sending. */
  #after(frame: Frame): Frame | undefined {
    const { board, frames } = this.#work;
    this.run.shift();
    const next = frames[frame.index + 1];
    if (next === undefined) return undefined;
    const isNext = this.run.length === 0 ? board.extend(this, next) : this.run[0] === next;
    return isNext && board.isMissing(next) ? next : undefined;
  }

  /** Takes what comes by. */
  #inPassing(frame: Frame | undefined): Frame | undefined {
    this.run = frame !== undefined && this.#work.board.isMissing(frame) ? [frame] : [];
    return frame;
  }

  /** Takes the next bytes of a frame: hashed at once, and written in larger pieces, off the main thread. */
  async #put(frame: Frame, piece: Uint8Array, at: number): Promise<void> {
    const { board, writers } = this.#work;
    if (!board.isMissing(frame)) return;
    if (at === frame.start) this.#taken = new TakenFrame(frame, writers);
    const taken = this.#taken;
    if (taken === undefined) return;
    this.filled += piece.length;
    if (taken.take(piece) >= WRITE_BYTES) await taken.flush(this.#work.attempt.fd);
  }

  /** Checks a frame that is whole. Its last bytes are written while the next frame comes in. */
  async #land(frame: Frame): Promise<void> {
    const taken = this.#taken;
    this.#taken = undefined;
    this.filled = 0;
    await this.#landing;
    if (taken === undefined || !this.#work.board.isMissing(frame)) return taken?.leave();
    this.#landing = this.#finish(frame, taken);
    // A failure is met with the next frame, or at the end.
    this.#landing.catch(() => undefined);
  }

  async #finish(frame: Frame, taken: TakenFrame): Promise<void> {
    try {
      await this.#check(frame, taken);
    } finally {
      await taken.leave();
    }
  }

  async #check(frame: Frame, taken: TakenFrame): Promise<void> {
    const { attempt, board, onFrame } = this.#work;
    const digest = taken.digest();
    if (digest !== frame.sha256) {
      const which = `in bytes ${frame.start}-${frame.end - 1}`;
      const [expected, found] = [`sha256 ${frame.sha256} ${which}`, `sha256 ${digest}`];
      throw wrong(this.#mirror, attempt.options.file, expected, found);
    }
    const isWritten = await taken.finish(attempt.fd);
    crashPoint('download-frame-written');
    if (isWritten && board.complete(frame)) onFrame(frame);
  }
}
