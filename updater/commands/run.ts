/**
 * `updater run`: the same as `once`, again and again, for machines without a
 * timer. The lock is held for a round only, so that an operator's command can
 * come in between.
 */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, type Context, formatDuration } from '@landfall/cli';
import { DurableError } from '@landfall/durable';
import { ExitCode, messageOf, OtaError } from '@landfall/errors';
import type { Config } from '../config.ts';
import type { Host } from '../host.ts';
import { beginLife, type Life } from '../life.ts';
import type { Settled } from '../machine.ts';
import { pathsOf } from '../paths.ts';
import { followUpdater } from '../self/follow.ts';
import { settle } from '../settle.ts';
import { update } from '../update.ts';
import { findWait, soonestInstall } from '../waiting.ts';
import { readConfig, untilToldToStop, withLock } from './session.ts';
import { describeState, tellUpdate } from './words.ts';

/** While a release is in probation it is looked at this often, whatever the interval. */
const WATCH_INTERVAL_MS = 30_000;
/** Looks at the mirrors are never closer than this because something passes soon. */
const MIN_INTERVAL_MS = 60_000;

export const run: Command = {
  name: 'run',
  summary:
    'stay and do what once does, every [run].interval; look after what runs every [heal].interval',
  details: [
    'Ends cleanly on SIGTERM, between two steps; what was begun is settled by the next start.',
  ],
  async run(context) {
    const config = readConfig(context);
    const life = beginLife(config, (line) => context.note(line));
    await untilToldToStop(async (signal) => {
      signal.addEventListener('abort', () => life.stopping());
      await loop(context, config, signal, life);
    });
    await life.end();
    return ExitCode.done;
  },
};

async function loop(
  context: Context,
  config: Config,
  signal: AbortSignal,
  life: Life,
): Promise<void> {
  const told = new Set<string>();
  let nextCheck = performance.now();
  while (!signal.aborted) {
    const isDue = performance.now() >= nextCheck;
    let passesIn = Number.POSITIVE_INFINITY;
    const lookIn = await life.during(() =>
      round(context, config, signal, isDue, (ms) => (passesIn = ms), told),
    );
    if (lookIn === 'handed-over') {
      return context.note('another updater took over: ending, so that it is started');
    }
    if (isDue) nextCheck = performance.now() + untilNextCheck(config, passesIn);
    const untilCheck = nextCheck - performance.now();
    const healIn = config.heal.enabled ? config.heal.interval : Number.POSITIVE_INFINITY;
    const wait = Math.max(0, Math.min(untilCheck, lookIn, healIn));
    await sleep(wait, undefined, { signal }).catch(() => {});
  }
  context.note('stopped, as told');
}

/**
 * One round. What goes wrong in it is told, and the next round comes all the
 * same. Resolves to the milliseconds after which what runs is to be looked at again; `handed-over`:
 * the next start is another updater's.
 */
async function round(
  context: Context,
  config: Config,
  signal: AbortSignal,
  isDue: boolean,
  onDecline: (passesInMs: number) => void,
  told: Set<string>,
): Promise<number | 'handed-over'> {
  try {
    return await withLock(context, config, 'run', signal, async (host) => {
      const { state, left } = await settle(host, { online: true, patient: true });
      if (left !== undefined) context.note(describeState(state));
      if (!isDue || left !== undefined) return lookAfter(host, state);
      const result = await update(host, state, {});
      const { until } = result.decline ?? {};
      if (until !== undefined) onDecline(Date.parse(until) - Date.now());
      for (const line of tellUpdate(result).lines) context.note(line);
      if (until === undefined) {
        context.note(`next check in about ${formatDuration(config.run.interval)}`);
      }
      if (await followUpdater(host, result.state)) return 'handed-over';
      return lookAfter(host, result.state);
    });
  } catch (error) {
    // An operator's command comes first, and tells for itself what it does.
    if (!isDue && error instanceof DurableError && error.code === 'LOCKED') {
      return WATCH_INTERVAL_MS;
    }
    // What stays wrong is told with each check of the mirrors, not with each look.
    if (!isDue && told.has(messageOf(error))) return WATCH_INTERVAL_MS;
    if (isDue) told.clear();
    told.add(messageOf(error));
    context.note(`error: ${messageOf(error)}`);
    if (error instanceof OtaError && error.hint !== undefined)
      context.note(`  hint: ${error.hint}`);
    // Another updater may have been at work, or a disk full: what is in probation is still to be watched.
    return WATCH_INTERVAL_MS;
  }
}

/** Probation is watched closely, what is degraded after growing waits; the rest can wait for the next check. */
function lookAfter(host: Host, state: Settled): number {
  if (state.name === 'probation') return WATCH_INTERVAL_MS;
  if (state.name !== 'degraded') return Number.POSITIVE_INFINITY;
  return findWait(host, 'probe', state.running.deployment)?.left ?? WATCH_INTERVAL_MS;
}

/** A window may be shorter than the interval, and so may a wait: look again when it is over. */
function untilNextCheck(config: Config, passesIn: number): number {
  const waits = soonestInstall({ paths: pathsOf(config.root, config.state) });
  const soonest = Math.min(passesIn, waits ?? Number.POSITIVE_INFINITY);
  const interval = Math.min(config.run.interval, Math.max(MIN_INTERVAL_MS, soonest));
  return interval + jitter(config, interval);
}

/** So that a fleet does not ask its mirrors all at once. */
function jitter(config: Config, interval: number): number {
  const most = Math.min(config.run.jitter, interval);
  return most < 1 ? 0 : randomInt(Math.ceil(most));
}
