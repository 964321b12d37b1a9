/**
 * Named places where a process may die, so that tests can kill it at each one.
 * Call it right after the step that the name tells of has taken effect.
 *
 * `LANDFALL_CRASH_AT=<name>` or `<name>#<n>` (its n-th passing, from 1) kills
 * this process with SIGKILL there. `LANDFALL_CRASH_TRACE=<file>` appends every
 * name passed, so that a test can list them. With neither set it does nothing.
 */
import { appendFileSync } from 'node:fs';

const passed = new Map<string, number>();

/** Passes the crash point `name` (kebab-case, stable: tests name it). */
export function crashPoint(name: string): void {
  const at = process.env['LANDFALL_CRASH_AT'];
  const trace = process.env['LANDFALL_CRASH_TRACE'];
  if (at === undefined && trace === undefined) return;
  const count = (passed.get(name) ?? 0) + 1;
  passed.set(name, count);
  const numbered = `${name}#${count}`;
  if (trace !== undefined) appendFileSync(trace, `${numbered}\n`);
  if (at === numbered || (at === name && count === 1)) process.kill(process.pid, 'SIGKILL');
}
