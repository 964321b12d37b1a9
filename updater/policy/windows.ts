/**
 * Maintenance windows: whether one is open at an instant, and when that ends.
 * Pure: the instant comes in. A window belongs to the day on which it begins,
 * and goes over midnight when its end is not after its beginning.
 *
 * When clocks change: a time that does not exist that day is the moment at
 * which the clock jumped; of one that exists twice the first is meant. A window
 * that lies whole in the hour that is left out does not open that day.
 */

import { Zone } from './zone.ts';

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

/** As the configuration names them, in the order of ISO 8601: Monday is the first. */
export const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

/** One `[[windows]]` of the configuration: from `from` to `to`, begun on one of `days`. */
export interface Window {
  days: readonly (typeof DAYS)[number][];
  /** `HH:MM` of a day of 24 hours. */
  from: string;
  /** `HH:MM`; `24:00` is the end of the day. */
  to: string;
  /** `local`, `UTC` or a name such as `Europe/Berlin`. */
  timezone: string;
}

/** `closes`: when the last open one ends. `opens`: undefined when none does within two weeks. */
export type WindowState = { open: true; closes: Date } | { open: false; opens: Date | undefined };

/** Days to look ahead: a weekly window that a changed clock leaves out comes a week later. */
const HORIZON_DAYS = 15;

/** Whether any of `windows` is open at `now`. With none it always is, and nobody asks. */
export function judgeWindows(windows: readonly Window[], now: Date): WindowState {
  const at = now.getTime();
  const spans = windows.flatMap((window) => spansOf(window, now));
  const open = spans.filter(({ start, end }) => start <= at && at < end);
  if (open.length > 0) {
    return { open: true, closes: new Date(Math.max(...open.map(({ end }) => end))) };
  }
  const next = Math.min(...spans.map(({ start }) => start).filter((start) => start > at));
  return { open: false, opens: Number.isFinite(next) ? new Date(next) : undefined };
}

/** Whether `name` is a time zone that this machine knows, or `local`. */
export function isTimezone(name: string): boolean {
  try {
    void new Zone(name);
    return true;
  } catch {
    return false;
  }
}

/** From the one that began yesterday on, as milliseconds since 1970; `end` is not part of it. */
function spansOf(
  { days, from, to, timezone }: Window,
  now: Date,
): { start: number; end: number }[] {
  const zone = new Zone(timezone);
  const today = Math.floor(zone.clockAt(now.getTime()) / DAY_MS);
  const spans: { start: number; end: number }[] = [];
  for (let date = today - 1; date <= today + HORIZON_DAYS; date += 1) {
    const name = DAYS[(new Date(date * DAY_MS).getUTCDay() + 6) % 7];
    if (name === undefined || !days.includes(name)) continue;
    const start = zone.instantOf(clockOf(date, from));
    const end = zone.instantOf(clockOf(to > from ? date : date + 1, to));
    if (end > start) spans.push({ start, end });
  }
  return spans;
}

/** What the clock shows at `time` of the day that is `date` days after the first of 1970. */
function clockOf(date: number, time: string): number {
  const [hours = 0, minutes = 0] = time.split(':').map(Number);
  return date * DAY_MS + (hours * 60 + minutes) * MINUTE_MS;
}
