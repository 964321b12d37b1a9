/** How a transfer gets on, in words: what is here, how fast it comes, and how long the rest takes. */
import { formatBytes, formatDuration } from './format.ts';

/** The rate is that of about so long, so that it follows what happens and does not flicker. */
const WINDOW_MS = 10_000;

/** Words for one transfer; the rate is that of the last ten seconds or so. */
export class Transfer {
  readonly #total: number;
  #seen: { ms: number; bytes: number }[] = [];

  /** `total`: bytes of the whole. */
  constructor(total: number) {
    this.#total = total;
  }

  /** `bytes` are here at the time `ms` of a clock that never goes back. `12 MiB of 40 MiB, 1.2 MiB/s, 24 s left`. */
  at(bytes: number, ms: number): string {
    this.#seen.push({ ms, bytes });
    const later = this.#seen.findIndex((each) => ms - each.ms <= WINDOW_MS);
    // One from before the window stays, so that it is spanned.
    this.#seen = this.#seen.slice(Math.max(0, later - 1));
    const [first = { ms, bytes }] = this.#seen;
    const here = `${formatBytes(bytes)} of ${formatBytes(this.#total)}`;
    const rate = ((bytes - first.bytes) * 1000) / (ms - first.ms);
    if (!(rate > 0) || !Number.isFinite(rate)) return here;
    const left = Math.ceil((this.#total - bytes) / rate) * 1000;
    return `${here}, ${formatBytes(Math.round(rate))}/s, ${formatDuration(left)} left`;
  }
}
