/**
 * A compressed file of independent frames, each made by one one-shot call over
 * at most `contentBytes` of input, so that its bytes depend on the input alone.
 * Few are compressed at a time and they are written in order.
 *
 * The output stands under a temporary name until `finish` renames it: a crash
 * before that leaves `<path>.tmp` and no file of the given name.
 */
import { createHash } from 'node:crypto';
import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { FrameDigests, type FrameRange } from './frame-digests.ts';
import {
  type Compression,
  compressFrame,
  contentBytes,
  isStrong,
  seekTable,
} from './frame-format.ts';
import { giveBack } from './give-back.ts';

/**
 * Frames under way when the oldest of them is waited for: one more than two cores
 * take, so that none is idle while the next buffer is filled.
 */
const IN_FLIGHT = 3;
/** Where a frame takes seconds, and much memory, the wait is nothing. */
const STRONG_IN_FLIGHT = 2;

interface Pending {
  input: Buffer;
  content: number;
  output: Promise<Buffer>;
}

/** What was written. The sizes of `frames` add up to `size`. */
export interface Written {
  size: number;
  sha256: string;
  frames?: FrameRange[];
}

/** One output file. It ends with `finish`, or after a failure with `abandon`. */
export class FrameWriter {
  readonly #path: string;
  readonly #temporary: string;
  readonly #compression: Compression;
  readonly #level: number;
  readonly #signal: AbortSignal | undefined;
  readonly #inFlight: number;
  readonly #contentBytes: number;
  readonly #hash = createHash('sha256');
  readonly #digests = new FrameDigests();
  readonly #frames: { compressed: number; content: number }[] = [];
  readonly #pending: Pending[] = [];
  readonly #free: Buffer[] = [];
  readonly #fd: number;
  #isOpen = true;
  #size = 0;
  #current: Buffer | undefined;
  #filled = 0;

  /** Removes what stands under both names, and opens the temporary file. `level` is the codec's own. */
  constructor(path: string, compression: Compression, level: number, signal?: AbortSignal) {
    this.#path = path;
    this.#temporary = `${path}.tmp`;
    this.#compression = compression;
    this.#level = level;
    this.#signal = signal;
    this.#contentBytes = contentBytes(compression, level);
    this.#inFlight = isStrong(compression, level) ? STRONG_IN_FLIGHT : IN_FLIGHT;
    for (const old of [path, this.#temporary]) rmSync(old, { force: true });
    this.#fd = openSync(this.#temporary, 'wx', 0o644);
  }

  /**
   * Room to write into, at least one byte. Say with `advance` how much of it
   * was filled, before the next `await`.
   */
  room(): Buffer {
    this.#current ??= this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#contentBytes);
    return this.#current.subarray(this.#filled);
  }

  /** True when the frame is full: call `flush` before `room`. */
  advance(bytes: number): boolean {
    this.#filled += bytes;
    return this.#filled === this.#contentBytes;
  }

  /** Copies `bytes` in, frame by frame. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const room = this.room();
      const piece = bytes.subarray(at, at + room.length);
      room.set(piece);
      at += piece.length;
      if (this.advance(piece.length)) await this.flush();
    }
  }

  /** Hands the frame being filled to the compressor and waits while enough are under way. */
  async flush(): Promise<void> {
    this.#signal?.throwIfAborted();
    const input = this.#current;
    if (input === undefined || this.#filled === 0) return;
    const content = this.#filled;
    const output = compressFrame(input.subarray(0, content), this.#compression, this.#level);
    // A failure is met when the frame's turn comes; until then it is not unhandled.
    output.catch(() => {});
    this.#pending.push({ input, content, output });
    this.#current = undefined;
    this.#filled = 0;
    if (this.#pending.length >= this.#inFlight) await this.#writeNext();
  }

  async #writeNext(): Promise<void> {
    const next = this.#pending.shift();
    if (next === undefined) return;
    const frame = await next.output;
    this.#put(frame, true);
    this.#frames.push({ compressed: frame.length, content: next.content });
    this.#free.push(next.input);
    giveBack(frame);
  }

  #put(bytes: Buffer, isFrame: boolean): void {
    for (let at = 0; at < bytes.length;) at += writeSync(this.#fd, bytes, at);
    this.#hash.update(bytes);
    this.#digests.add(bytes, isFrame);
    this.#size += bytes.length;
  }

  /**
   * Writes what is left and the seek table, then gives the file its name. Size
   * in bytes, SHA-256 in hex, and those of its ranges where it has several.
   */
  async finish(): Promise<Written> {
    await this.flush();
    while (this.#pending.length > 0) await this.#writeNext();
    if (this.#frames.length === 0) {
      const empty = await compressFrame(Buffer.alloc(0), this.#compression, this.#level);
      this.#put(empty, true);
      this.#frames.push({ compressed: empty.length, content: 0 });
    }
    if (this.#compression === 'zstd') this.#put(seekTable(this.#frames), false);
    this.#close();
    renameSync(this.#temporary, this.#path);
    const frames = this.#digests.finish();
    const whole = { size: this.#size, sha256: this.#hash.digest('hex') };
    return frames === undefined ? whole : { ...whole, frames };
  }

  /** Removes the temporary file, after a failure. */
  async abandon(): Promise<void> {
    await Promise.allSettled(this.#pending.map((each) => each.output));
    this.#close();
    rmSync(this.#temporary, { force: true });
  }

  /** Once: its number may be another file's after that. */
  #close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.#fd);
  }
}
