/** How long the updater may take, as far as its configuration tells. Milliseconds. */
import type { Config } from '../config.ts';

const MARGIN_MS = 60_000;

/** For a verdict and the way back: every service restarted and every probe done, twice. */
export function settleMs({ services, probe }: Config): number {
  const restart = services.reduce((sum, { timeout }) => sum + timeout, 0);
  return 2 * (restart + probe.window) + MARGIN_MS;
}

/** To end when told to, between two steps: after the restart of all services at the latest. */
export function stopMs({ services }: Config): number {
  return services.reduce((sum, { timeout }) => sum + timeout, 0) + MARGIN_MS;
}
