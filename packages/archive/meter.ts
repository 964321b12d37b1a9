/** Counts what comes out of a decoder against what went in, and stops a bomb. */
import { damaged, refused } from './errors.ts';
import { RATIO_FREE_BYTES } from './limits.ts';

/** Frames or members of one archive. Ours hold 4, 8 or 24 MiB each; setting up a decoder takes longer than an empty frame. */
const MAX_FRAMES = 8192;

/** Counts for one archive. Throws `ArchiveError` ARCHIVE_REFUSED when it is too much. */
export class Meter {
  readonly #subject: string;
  readonly #maxOut: number;
  readonly #maxRatio: number;
  #out = 0;
  #frames = 0;

  /** `maxOut`: bytes that may come out altogether. */
  constructor(subject: string, maxOut: number, maxRatio: number) {
    this.#subject = subject;
    this.#maxOut = maxOut;
    this.#maxRatio = maxRatio;
  }

  /** Counts `out` more bytes after `inTotal` were read. Call it before making them where that is possible. */
  count(out: number, inTotal: number): void {
    this.#out += out;
    if (this.#out > this.#maxOut) {
      this.#refuse(`unpacks to more than ${this.#maxOut} bytes`);
    }
    if (this.#out > RATIO_FREE_BYTES && this.#out > inTotal * this.#maxRatio) {
      this.#refuse(`unpacks to more than ${this.#maxRatio} times its size`);
    }
  }

  countFrame(): void {
    this.#frames += 1;
    if (this.#frames > MAX_FRAMES) {
      throw damaged(this.#subject, `has more than ${MAX_FRAMES} frames`);
    }
  }

  #refuse(what: string): never {
    const hint =
      'do not unpack it by other means; if it is yours, leave out files of nothing but zeros';
    throw refused(this.#subject, [{ path: undefined, what, hint }]);
  }
}
