/**
 * The other side of `round-apart.ts`: one round of `updater run`. What goes
 * wrong in it is told to the process that waits, and the next round comes all
 * the same. Should that process be gone, the round is finished as `once` would
 * finish it. A crash leaves what a crash of `once` leaves.
 */
import { randomInt } from 'node:crypto';
import { writeSync } from 'node:fs';
import { type Command, type Context, formatDuration, main, MAX_TIMER_MS } from '@landfall/cli';
import { DurableError } from '@landfall/durable';
import { ExitCode, messageOf, OtaError } from '@landfall/errors';
import type { Config } from '../config.ts';
import type { Host } from '../host.ts';
import type { Settled } from '../machine.ts';
import { pathsOf } from '../paths.ts';
import { COMMON_OPTIONS } from '../program.ts';
import {
  MAX_MESSAGE,
  REPORT_FD,
  type RoundBegun,
  type RoundEnd,
  type RoundError,
} from '../round-apart.ts';
import { settle } from '../settle.ts';
import { UPDATER_VERSION } from '../version.ts';
import { findWait, soonestInstall } from '../waiting.ts';
import { readConfig, untilToldToStop, withLock } from './session.ts';
import { describeState, tellUpdate } from './words.ts';

/** While a release is in probation it is looked at this often, whatever the interval. */
const WATCH_INTERVAL_MS = 30_000;
/** Looks at the mirrors are never closer than this because something passes soon. */
const MIN_INTERVAL_MS = 60_000;
/** After another updater kept a round from looking at the mirrors. */
const BUSY_INTERVAL_MS = 300_000;

/** `due` or `look`, and the options of `run`: with a look at the mirrors, or only at what runs. */
export async function runRound(args: readonly string[]): Promise<void> {
  const commands = { round: () => round };
  const program = { name: 'updater', version: UPDATER_VERSION, summary: round.summary };
  process.exitCode = await main({ ...program, options: COMMON_OPTIONS, commands }, [
    'round',
    ...args,
  ]);
}

const round: Command = {
  name: 'round',
  args: 'due|look',
  summary: 'one round of run',
  arity: [1, 1],
  async run(context) {
    const isDue = context.positionals[0] === 'due';
    tell(await untilToldToStop((signal) => begin(context, isDue, signal)));
    return ExitCode.done;
  },
};

async function begin(context: Context, isDue: boolean, signal: AbortSignal): Promise<RoundEnd> {
  let config: Config;
  try {
    config = readConfig(context);
  } catch (error) {
    if (!(error instanceof OtaError)) throw error;
    return { lookIn: WATCH_INTERVAL_MS, error: describe(error) };
  }
  const { root, state } = config;
  tell({ version: UPDATER_VERSION, root, state, checkIn: untilNextCheck(config) });
  const { lookIn, passesIn, ...end } = await work(context, config, isDue, signal);
  const healIn = config.heal.enabled ? config.heal.interval : Number.POSITIVE_INFINITY;
  return {
    ...end,
    lookIn: Math.min(lookIn, healIn, MAX_TIMER_MS),
    ...(isDue ? { checkIn: untilNextCheck(config, passesIn) } : {}),
  };
}

/** How it ended, and the milliseconds until what stands against an update passes, where something does. */
type Work = RoundEnd & { passesIn?: number };

async function work(
  context: Context,
  config: Config,
  isDue: boolean,
  signal: AbortSignal,
): Promise<Work> {
  try {
    return await withLock(context, config, 'run', signal, async (host) => {
      const { state, left } = await settle(host, { online: true, patient: true });
      if (left !== undefined) context.note(describeState(state));
      if (!isDue || left !== undefined) return { lookIn: lookAfter(host, state) };
      return lookForReleases(context, host, state);
    });
  } catch (error) {
    // Another updater may have been at work, or a disk full: what is in probation is still to be watched.
    const lookIn = WATCH_INTERVAL_MS;
    // An operator's command comes first, and tells for itself what it does.
    const isBusy = error instanceof DurableError && error.code === 'LOCKED';
    if (!isDue && isBusy) return { lookIn };
    // It may have been the one look inside a window, or of a whole day.
    return { lookIn, error: describe(error), ...(isBusy ? { passesIn: BUSY_INTERVAL_MS } : {}) };
  }
}

/** Loads what asks mirrors, and installs, when that is to be done: most rounds only look at what runs. */
async function lookForReleases(context: Context, host: Host, state: Settled): Promise<Work> {
  const { update } = await import('../update.ts');
  const result = await update(host, state, {});
  const { until } = result.decline ?? {};
  for (const line of tellUpdate(result).lines) context.note(line);
  if (until === undefined) {
    context.note(`next check in about ${formatDuration(host.config.run.interval)}`);
  }
  const { followUpdater } = await import('../self/follow.ts');
  const handedOver = await followUpdater(host, result.state);
  const lookIn = lookAfter(host, result.state);
  const end = { lookIn, handedOver };
  return until === undefined ? end : { ...end, passesIn: Date.parse(until) - Date.now() };
}

/** Probation is watched closely, what is degraded after growing waits; the rest can wait for the next check. */
function lookAfter(host: Host, state: Settled): number {
  if (state.name === 'probation') return WATCH_INTERVAL_MS;
  if (state.name !== 'degraded') return Number.POSITIVE_INFINITY;
  return findWait(host, 'probe', state.running.deployment)?.left ?? WATCH_INTERVAL_MS;
}

/** A window may be shorter than the interval, and so may a wait: look again when it is over. */
function untilNextCheck(config: Config, passesIn = Number.POSITIVE_INFINITY): number {
  const waits = soonestInstall({ paths: pathsOf(config.root, config.state) });
  const soonest = Math.min(passesIn, waits ?? Number.POSITIVE_INFINITY);
  const interval = Math.min(config.run.interval, Math.max(MIN_INTERVAL_MS, soonest));
  return Math.min(interval + jitter(config, interval), MAX_TIMER_MS);
}

/** So that a fleet does not ask its mirrors all at once. */
function jitter(config: Config, interval: number): number {
  const most = Math.min(config.run.jitter, interval);
  return most < 1 ? 0 : randomInt(Math.ceil(most));
}

function describe(error: unknown): RoundError {
  const { code, hint, exit } =
    error instanceof OtaError
      ? error
      : { code: 'INTERNAL', hint: undefined, exit: ExitCode.failed };
  return {
    code,
    message: messageOf(error).slice(0, MAX_MESSAGE),
    hint: hint?.slice(0, MAX_MESSAGE),
    exit,
  };
}

/** One line to the process that waits. Nobody may be there any more: then the round matters more. */
function tell(said: RoundBegun | RoundEnd): void {
  try {
    writeSync(REPORT_FD, `${JSON.stringify(said)}\n`);
  } catch {
    // As above.
  }
}
