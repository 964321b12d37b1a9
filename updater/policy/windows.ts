/**
 * Maintenance windows: whether one is open at an instant, and when that ends.
 * Pure: the instant comes in. A window belongs to the day on which it begins,
 * and goes over midnight when its end is not after its beginning.
 *
 * When clocks change: a time that does not exist that day is the moment at
 * which the clock jumped; of one that exists twice the first is meant. A window
 * that lies whole in the hour that is left out does not open that day.
 */

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
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(zoneOf(name));
    return true;
  } catch {
    return false;
  }
}

function zoneOf(name: string): string {
  return name === 'local' ? Temporal.Now.timeZoneId() : name;
}

/** From the one that began yesterday on, as milliseconds since 1970; `end` is not part of it. */
function spansOf(
  { days, from, to, timezone }: Window,
  now: Date,
): { start: number; end: number }[] {
  const zone = zoneOf(timezone);
  const today = Temporal.Instant.fromEpochMilliseconds(now.getTime())
    .toZonedDateTimeISO(zone)
    .toPlainDate();
  const spans: { start: number; end: number }[] = [];
  for (let offset = -1; offset <= HORIZON_DAYS; offset += 1) {
    const date = today.add({ days: offset });
    const day = DAYS[date.dayOfWeek - 1];
    if (day === undefined || !days.includes(day)) continue;
    const start = instantOf(date, from, zone);
    const end = to > from ? instantOf(date, to, zone) : instantOf(date.add({ days: 1 }), to, zone);
    if (end > start) spans.push({ start, end });
  }
  return spans;
}

function instantOf(day: Temporal.PlainDate, time: string, zone: string): number {
  if (time === '24:00') return instantOf(day.add({ days: 1 }), '00:00', zone);
  const wanted = day.toPlainDateTime(Temporal.PlainTime.from(time));
  const found = wanted.toZonedDateTime(zone);
  const isThere = found.toPlainDateTime().equals(wanted);
  // 'previous' is before, never at: a time may be shifted to the very moment of the jump.
  const after = found.add({ nanoseconds: 1 });
  const jump = isThere ? null : after.getTimeZoneTransition('previous');
  return (jump ?? found).epochMilliseconds;
}
