/**
 * What the clocks of a time zone show, and when they show it. `Intl` knows the
 * rules; a clock here is what it shows as if that were UTC, in milliseconds
 * since 1970.
 */
const DAY_MS = 86_400_000;

/** A time zone. `name`: `local`, `UTC` or one such as `Europe/Berlin`; throws `RangeError` for what this machine does not know. */
export class Zone {
  readonly #format: Intl.DateTimeFormat;

  constructor(name: string) {
    this.#format = new Intl.DateTimeFormat('en-US', {
      ...(name === 'local' ? {} : { timeZone: name }),
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  }

  /** What clocks show at `instant`, in milliseconds since 1970, to the second. */
  clockAt(instant: number): number {
    const shown = new Map(
      this.#format.formatToParts(instant).map((each) => [each.type, each.value]),
    );
    const part = (type: Intl.DateTimeFormatPartTypes): number => Number(shown.get(type));
    return Date.UTC(
      part('year'),
      part('month') - 1,
      part('day'),
      part('hour'),
      part('minute'),
      part('second'),
    );
  }

  /**
   * When clocks show `clock`, which is of whole seconds, in milliseconds since 1970: the first
   * time where they do so twice, and the moment at which they jump where they leave it out.
   */
  instantOf(clock: number): number {
    // No zone is a day away from UTC, and none jumps twice in two days.
    const [before, after] = [clock - DAY_MS, clock + DAY_MS].map((at) => this.clockAt(at) - at) as [
      number,
      number,
    ];
    const fitting = [clock - before, clock - after].filter((at) => this.clockAt(at) === clock);
    if (fitting.length > 0) return Math.min(...fitting);
    // Before the jump at the one, and after it at the other.
    let [early, late] = [clock - after, clock - before];
    while (late - early > 1000) {
      const middle = early + Math.floor((late - early) / 2000) * 1000;
      if (this.clockAt(middle) - middle === before) early = middle;
      else late = middle;
    }
    return late;
  }
}
