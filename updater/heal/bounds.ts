/**
 * How often the same thing is repaired. What changes again and again is
 * changed by somebody: an operator, or another tool. It is repaired three times
 * within an hour, then left alone for a day, and said loudly. Pure.
 */
import type { HealFile } from '../records/heal-file.ts';

/** Repairs of one path within an hour; after them it is left alone for a day. */
export const MAX_REPAIRS = 3;
const REPAIR_WINDOW_MS = 3_600_000;
const LEFT_ALONE_MS = 86_400_000;

/** Whether `path` may be repaired at `now` (ms). A time of the future is one of a clock that was set: it does not count. */
export function mayRepair({ leftAlone, repairs }: HealFile, path: string, now: number): boolean {
  const since = leftAlone[path];
  if (isWithin(since, now, LEFT_ALONE_MS)) return false;
  return recent(repairs[path] ?? [], now).length < MAX_REPAIRS;
}

/** `file` with what is over forgotten, and `repaired` counted at `now`. */
export function countRepairs(file: HealFile, repaired: readonly string[], now: number): HealFile {
  const repairs: HealFile['repairs'] = {};
  for (const [path, times] of Object.entries(file.repairs)) {
    const kept = recent(times, now);
    if (kept.length > 0) repairs[path] = kept;
  }
  for (const path of repaired) {
    repairs[path] = [...(repairs[path] ?? []), new Date(now).toISOString()];
  }
  const leftAlone = Object.fromEntries(
    Object.entries(file.leftAlone).filter(([, since]) => isWithin(since, now, LEFT_ALONE_MS)),
  );
  return { ...file, repairs, leftAlone };
}

/** `file` with `paths` left alone from `now` on. */
export function leaveAlone(file: HealFile, paths: readonly string[], now: number): HealFile {
  const since = new Date(now).toISOString();
  const added = Object.fromEntries(paths.map((path) => [path, file.leftAlone[path] ?? since]));
  return { ...file, leftAlone: { ...file.leftAlone, ...added } };
}

function recent(times: readonly string[], now: number): string[] {
  return times.filter((each) => isWithin(each, now, REPAIR_WINDOW_MS));
}

/** Whether `time` is at most `ms` before `now`. */
export function isWithin(time: string | undefined, now: number, ms: number): boolean {
  if (time === undefined) return false;
  const age = now - Date.parse(time);
  return age >= 0 && age < ms;
}
