/**
 * Who fetches which frames of a file: a few at a time from where it has a
 * hole, more from those that are fast, so that nobody holds up the end. Where
 * nothing is left to begin, frames that wait behind a slower source are taken
 * over, and at last the one it is in the middle of is fetched a second time.
 *
 * Decides only: no clock, no mirror, no disk.
 */

/** A range of the file with its signed digest. */
export interface Frame {
  index: number;
  /** Bytes of the file. */
  start: number;
  end: number;
  sha256: string;
}

/** What is known of a source while it works, kept up to date by it. */
export interface Source {
  /** Bytes it sent, and milliseconds that took, also while it is being waited for. */
  bytes: number;
  ms: number;
  /** The frames it has to fetch, in order; the first is under way. */
  run: Frame[];
  /** Bytes of the first that are here. */
  filled: number;
}

/** What a source fetches at once is about so long, and not more. */
const RUN_MS = 4000;
const RUN_BYTES = 64 * 1024 * 1024;
/** To take over what another would have by itself sooner is of no use. */
const LEAST_GAIN_MS = 500;
/** A source that has sent nothing yet is given so long. */
const PATIENCE_MS = 1000;

/** Which frames are missing, and who fetches which. A source joins, is given runs, and leaves. */
export class FrameBoard {
  /** In the order of the file. */
  readonly #missing: Set<Frame>;
  readonly #sources = new Set<Source>();
  #bytes = 0;

  constructor(missing: readonly Frame[]) {
    this.#missing = new Set(missing);
    for (const frame of missing) this.#bytes += sizeOf(frame);
  }

  get isDone(): boolean {
    return this.#missing.size === 0;
  }

  /** Whether somebody else is at work on it. */
  hasOthers(source: Source): boolean {
    return [...this.#sources].some((each) => each !== source && each.run.length > 0);
  }

  /** Bytes before the first frame that is missing; undefined when none is. */
  get here(): number | undefined {
    for (const { start } of this.#missing) return start;
    return undefined;
  }

  isMissing(frame: Frame): boolean {
    return this.#missing.has(frame);
  }

  join(source: Source): void {
    this.#sources.add(source);
  }

  /** Whatever it had to fetch is anybody's again. */
  leave(source: Source): void {
    source.run = [];
    this.#sources.delete(source);
  }

  /** The frame is here, and right. False when it was before. */
  complete(frame: Frame): boolean {
    const isNew = this.#missing.delete(frame);
    if (isNew) this.#bytes -= sizeOf(frame);
    return isNew;
  }

  /** Gives `source` its next frames: consecutive ones, or none for now. */
  assign(source: Source): void {
    source.run = [];
    const taken = this.#taken();
    const budget = this.#budgetOf(source);
    const run: Frame[] = [];
    let bytes = 0;
    for (const frame of this.#missing) {
      const last = run.at(-1);
      if (last === undefined && taken.has(frame)) continue;
      const follows = last !== undefined && frame.index === last.index + 1 && !taken.has(frame);
      if (last !== undefined && (!follows || bytes + sizeOf(frame) > budget)) break;
      run.push(frame);
      bytes += sizeOf(frame);
    }
    source.run = run.length > 0 ? run : this.#takeOver(source);
    source.filled = 0;
  }

  /** Gives `source`, which reads on anyway, `frame` too if nobody has it. */
  extend(source: Source, frame: Frame): boolean {
    if (!this.#missing.has(frame) || this.#taken().has(frame)) return false;
    source.run.push(frame);
    return true;
  }

  #taken(): Set<Frame> {
    return new Set([...this.#sources].flatMap(({ run }) => run));
  }

  #budgetOf({ bytes, ms }: Source): number {
    if (bytes === 0) return 0;
    // So that the last of them are shared by all.
    const share = this.#bytes / (2 * Math.max(1, this.#sources.size));
    return Math.min((bytes / Math.max(1, ms)) * RUN_MS, RUN_BYTES, share);
  }

  /** Frames of whoever will take longest; that one does not fetch what it has not begun. */
  #takeOver(source: Source): Frame[] {
    const [victim] = [...this.#sources]
      .filter((each) => each !== source && this.#own(each).length > 0)
      .filter((each) => each.bytes > 0 || each.ms >= PATIENCE_MS)
      .toSorted((a, b) => timeLeft(b) - timeLeft(a));
    if (victim === undefined) return [];
    const own = source.bytes > 0 ? source.bytes / Math.max(1, source.ms) : Infinity;
    const waiting = this.#own(victim).filter((frame) => frame !== victim.run[0]);
    const half = waiting.slice(-Math.ceil(waiting.length / 2));
    const wanted = half.length > 0 ? half : this.#own(victim);
    const bytes = wanted.reduce((sum, frame) => sum + sizeOf(frame), 0);
    if (timeLeft(victim) - bytes / own < LEAST_GAIN_MS) return [];
    if (waiting.length > 0) victim.run = victim.run.filter((frame) => !wanted.includes(frame));
    return wanted;
  }

  /** What `source` has to fetch, and nobody else. */
  #own(source: Source): Frame[] {
    const others = [...this.#sources].filter((each) => each !== source);
    return source.run.filter(
      (frame) => this.#missing.has(frame) && others.every(({ run }) => !run.includes(frame)),
    );
  }
}

function sizeOf({ start, end }: Frame): number {
  return end - start;
}

/** Milliseconds until a source has what it is to fetch. */
function timeLeft({ run, filled, bytes, ms }: Source): number {
  const left = run.reduce((sum, frame) => sum + sizeOf(frame), -filled);
  return bytes === 0 ? Infinity : (left * Math.max(1, ms)) / bytes;
}
