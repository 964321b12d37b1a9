/**
 * A download of which the digests of ranges are signed: several mirrors send
 * different frames of it at once, each checked before it counts, so that a
 * wrong byte names its mirror and costs a frame. A mirror that fails is left
 * and the others take over what it had to send; one that is slow is given
 * less, and loses what it holds up.
 *
 * What a crash leaves is any of the frames, written whole or in part, in any
 * order; each is hashed again before it counts.
 */
import { hash } from 'node:crypto';
import { fstatSync, ftruncateSync, futimesSync } from 'node:fs';
import { crashPoint } from '@landfall/cli';
import { MirrorError } from '../errors.ts';
import type { Mirror } from '../mirror.ts';
import { isTransient } from '../retry.ts';
import { type Frame, FrameBoard } from './board.ts';
import { readAt } from './disk.ts';
import { FrameReader } from './frame-reader.ts';
import { type Attempt, type DownloadOptions, isSlow, type Served } from './options.ts';
import type { Writers } from './taken-frame.ts';

/** Mirrors that are asked at once; more are asked in place of those that fail. */
const PARALLEL = 4;
/** How often a mirror that cuts off or is slow is asked again, if it brought something. */
const MOST_TRIES = 5;
/** A frame is held in memory, twice for each mirror. */
const MAX_FRAME_BYTES = 32 * 1024 * 1024;
/** How often one who has nothing to do looks again. */
const LOOK_MS = 250;
const TOUCH_MS = 60_000;

/** The frames of a file that can be fetched one by one; undefined where only the whole is of use. */
export function fitFrames({ frames = [], size }: DownloadOptions): Frame[] | undefined {
  if (frames.length < 2 || frames.some((each) => each.size > MAX_FRAME_BYTES)) return undefined;
  let start = 0;
  const fitted = frames.map((each, index) => {
    const frame = { index, start, end: start + each.size, sha256: each.sha256 };
    start = frame.end;
    return frame;
  });
  return start === size ? fitted : undefined;
}

/** Resolves to undefined when the mirrors could not serve all of it. */
export async function downloadFrames(
  attempt: Attempt,
  frames: readonly Frame[],
): Promise<Served | undefined> {
  const missing = await findMissing(attempt, frames);
  crashPoint('download-looked');
  attempt.reach(missing[0]?.start ?? attempt.options.size);
  if (missing.length === 0) return { mirror: undefined };
  return new FrameDownload(attempt, frames, missing).run();
}

/** Hashes what an earlier download left. */
async function findMissing(
  { fd, options }: Attempt,
  frames: readonly Frame[],
): Promise<readonly Frame[]> {
  const { size } = fstatSync(fd);
  if (size > options.size) ftruncateSync(fd, options.size);
  if (size === 0) return frames;
  const missing: Frame[] = [];
  let buffer = Buffer.alloc(0);
  for (const frame of frames) {
    options.signal?.throwIfAborted();
    const bytes = frame.end - frame.start;
    if (frame.end > size) {
      missing.push(frame);
      continue;
    }
    if (buffer.length < bytes) buffer = Buffer.allocUnsafeSlow(bytes);
    const content = buffer.subarray(0, bytes);
    await readAt(fd, content, frame.start);
    if (hash('sha256', content) !== frame.sha256) missing.push(frame);
  }
  return missing;
}

interface Candidate {
  mirror: Mirror;
  tries: number;
}

class FrameDownload {
  readonly #attempt: Attempt;
  readonly #frames: readonly Frame[];
  readonly #board: FrameBoard;
  /** Bytes by the mirror that sent them. */
  readonly #landed = new Map<string, number>();
  /** Ends what is still being read: all is here, or the disk has failed. */
  readonly #over = new AbortController();
  readonly #signal: AbortSignal;
  readonly #readers = new Set<FrameReader>();
  readonly #writers: Writers = new Map();
  #here: number;
  #touched = performance.now();
  #changed = Promise.withResolvers<void>();

  constructor(attempt: Attempt, frames: readonly Frame[], missing: readonly Frame[]) {
    this.#attempt = attempt;
    this.#frames = frames;
    this.#board = new FrameBoard(missing);
    this.#here = missing.reduce((sum, { start, end }) => sum + start - end, attempt.options.size);
    const { signal } = attempt.options;
    const over = this.#over.signal;
    this.#signal = signal === undefined ? over : AbortSignal.any([signal, over]);
  }

  async run(): Promise<Served | undefined> {
    let candidates: Candidate[] = this.#attempt.mirrors.map((mirror) => ({ mirror, tries: 0 }));
    for (let round = 0; candidates.length > 0 && !this.#board.isDone; round += 1) {
      candidates = await this.#ask(candidates, round > 0 || candidates.length === 1);
    }
    if (!this.#board.isDone) return undefined;
    const [most] = [...this.#landed].toSorted(([, a], [, b]) => b - a);
    return { mirror: most?.[0] };
  }

  /** Asks `candidates`, some at a time, until all is here; those to ask again when it is not. */
  async #ask(candidates: Candidate[], patient: boolean): Promise<Candidate[]> {
    const queue = [...candidates];
    const again: Candidate[] = [];
    const lane = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        if (this.#board.isDone) return;
        if (await this.#useOf(next, patient)) again.push({ ...next, tries: next.tries + 1 });
      }
    };
    // All of them come to their end before the file may be closed.
    const ends = await Promise.allSettled(Array.from({ length: PARALLEL }, lane));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
    return again;
  }

  /** Fetches from one mirror as long as it serves. True when it is worth asking again. */
  async #useOf({ mirror, tries }: Candidate, patient: boolean): Promise<boolean> {
    const before = this.#landed.get(mirror.name) ?? 0;
    try {
      await this.#serve(mirror, patient);
      return true;
    } catch (error) {
      this.#attempt.options.signal?.throwIfAborted();
      if (this.#board.isDone || this.#over.signal.aborted) return false;
      if (!(error instanceof MirrorError)) {
        this.#over.abort(error);
        throw error;
      }
      this.#attempt.fail(mirror, error);
      const brought = (this.#landed.get(mirror.name) ?? 0) > before;
      if (tries >= MOST_TRIES) return false;
      return (isSlow(error) && (!patient || brought)) || (isTransient(error) && brought);
    }
  }

  /** Ends when all is here, and when this mirror can only send what others send already. */
  async #serve(mirror: Mirror, patient: boolean): Promise<void> {
    const reader = new FrameReader(mirror, patient, {
      attempt: this.#attempt,
      frames: this.#frames,
      board: this.#board,
      writers: this.#writers,
      signal: this.#signal,
      onBytes: () => this.#tell(mirror),
      onFrame: (frame) => this.#land(mirror, frame),
    });
    this.#board.join(reader);
    this.#readers.add(reader);
    try {
      while (!this.#board.isDone) {
        this.#signal.throwIfAborted();
        this.#board.assign(reader);
        if (reader.run.length === 0) await this.#wait();
        else if ((await reader.fetch()) === 'of no use') return;
      }
    } finally {
      this.#board.leave(reader);
      this.#readers.delete(reader);
      this.#wake();
    }
  }

  #land(mirror: Mirror, { start, end }: Frame): void {
    const bytes = end - start;
    this.#here += bytes;
    this.#landed.set(mirror.name, (this.#landed.get(mirror.name) ?? 0) + bytes);
    this.#tell(mirror);
    this.#attempt.reach(this.#board.here ?? this.#attempt.options.size);
    crashPoint('download-frame-counted');
    if (this.#board.isDone) this.#over.abort(new Error('all is here'));
    this.#wake();
  }

  #tell(mirror: Mirror): void {
    const { onProgress, size } = this.#attempt.options;
    this.#touch();
    if (onProgress === undefined) return;
    let bytes = this.#here;
    for (const { filled } of this.#readers) bytes += filled;
    onProgress(Math.min(size, bytes), mirror.name);
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** A frame that comes slowly is not written for long: whoever looks at the file must see that it gets on. */
  #touch(): void {
    const now = performance.now();
    if (now - this.#touched < TOUCH_MS) return;
    this.#touched = now;
    futimesSync(this.#attempt.fd, new Date(), new Date());
  }

  /** Until something has changed, or a little later: what another takes for its frames shows with time. */
  async #wait(): Promise<void> {
    // Everybody looks then. A race would leave something behind with each look, for as long as nothing changes.
    const timer = setTimeout(() => this.#wake(), LOOK_MS);
    await this.#changed.promise;
    clearTimeout(timer);
  }
}
