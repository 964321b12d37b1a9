/** What timers of Node take. */

/** The longest wait that a timer takes, 24.8 days; a longer one it takes for none. Milliseconds. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** `ms` for a timer, where they come from a configuration or from a size. */
export function timerMs(ms: number): number {
  return Math.min(ms, MAX_TIMER_MS);
}
