/** What lines of the screen of `updater status` are made of. */
import { formatDuration } from '@landfall/cli';

/** Of a list, so many are shown; the rest is counted. */
const MOST = 3;
/** Columns that the name of a row takes, before a space and its text. */
export const NAME_COLUMNS = 12;

/** A line of the screen. Without a name, it goes on with the one above. */
export function row(name: string, text: string): string {
  return `${name.padEnd(NAME_COLUMNS)} ${text}`;
}

/** The first of `lines`, and how many there are besides. */
export function some(lines: readonly string[]): string[] {
  if (lines.length <= MOST) return [...lines];
  const rest = lines.length - MOST;
  return [...lines.slice(0, MOST), row('', `and ${rest} more: updater status --json`)];
}

/** Without milliseconds. */
export function time(iso: string): string {
  return iso.replace(/\.\d+Z$/, 'Z');
}

/** ` (3 d 4 h ago)`; nothing for a time that lies ahead, which only a clock that was set can show. */
export function ago(iso: string, now: Date): string {
  const ms = now.getTime() - Date.parse(iso);
  return ms < 0 ? '' : ` (${formatDuration(ms)} ago)`;
}

/** ` (in 6 min)`; nothing for a time that has passed. */
export function ahead(iso: string, now: Date): string {
  const ms = Date.parse(iso) - now.getTime();
  return ms < 0 ? '' : ` (in ${formatDuration(ms)})`;
}
