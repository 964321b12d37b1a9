/** `updater hold` and `updater unhold`: install nothing for a while, with a reason and an end. */
import {
  type Command,
  CliError,
  type Context,
  formatDuration,
  parseDuration,
  parseTime,
} from '@landfall/cli';
import { ExitCode } from '@landfall/errors';
import { timestamp } from '../host.ts';
import { describeHeld } from '../policy/judge.ts';
import { readClock } from '../records/clock.ts';
import {
  beginHold,
  MAX_HOLD_MS,
  readHold,
  removeHold,
  writeHold,
  type Held,
} from '../records/hold-file.ts';
import { DRY_RUN, openToLook, withHost } from './session.ts';

export const hold: Command = {
  name: 'hold',
  summary: 'install nothing by itself for a while; what runs is watched all the same',
  options: {
    for: { value: 'TIME', help: `how long: 90m, 2h, 3d; at most ${formatDuration(MAX_HOLD_MS)}` },
    until: { value: 'TIME', help: 'until when: 2026-04-22T19:00Z; without Z in local time' },
    reason: { value: 'TEXT', help: 'why; it is the first line of status as long as it lasts' },
    show: { help: 'show the hold that stands, and change nothing' },
    ...DRY_RUN,
  },
  details: [
    'It ends by itself and says so. It stops neither a rollback nor the verdict on what was',
    "installed. 'updater apply --despite-hold' installs once; 'updater unhold' lifts it.",
  ],
  async run(context) {
    if (context.flag('show')) return show(context);
    const durationMs = durationOf(context);
    const reason = context.text('reason')?.trim();
    if (reason === undefined || reason === '') {
      throw usage('--reason: expected why nothing is to be installed, found nothing');
    }
    const begun = beginHold(reason, durationMs, readClock());
    const lines = [describeHeld({ hold: begun, leftMs: durationMs })];
    if (context.flag('dry-run')) {
      context.result({ dryRun: true, hold: begun }, lines);
      return ExitCode.done;
    }
    await withHost(context, 'hold', async ({ paths, journal }) => {
      const { until } = begun;
      writeHold(paths.hold, begun);
      journal.append({ at: timestamp(), hold: 'begun', reason, until });
    });
    context.result({ hold: begun }, lines);
    return ExitCode.done;
  },
};

export const unhold: Command = {
  name: 'unhold',
  summary: 'lift the hold: releases are installed again',
  options: DRY_RUN,
  async run(context) {
    const before = standing(context);
    if (before === undefined) {
      context.result({ lifted: null }, 'nothing is held');
      return ExitCode.done;
    }
    if (context.flag('dry-run')) {
      context.result({ dryRun: true, held: before }, `it would be lifted: ${describeHeld(before)}`);
      return ExitCode.done;
    }
    await withHost(context, 'unhold', async ({ paths, journal }) => {
      const reason = 'corrupt' in before ? before.corrupt : before.hold.reason;
      journal.append({ at: timestamp(), hold: 'lifted', reason });
      removeHold(paths.hold);
    });
    context.result({ lifted: before }, `lifted: ${describeHeld(before)}`);
    return ExitCode.done;
  },
};

function show(context: Context): ExitCode {
  const held = standing(context);
  context.result(
    { held: held ?? null },
    held === undefined ? 'nothing is held' : describeHeld(held),
  );
  return ExitCode.done;
}

/** The hold that stands now. */
function standing(context: Context): Held | undefined {
  const { paths } = openToLook(context, new AbortController().signal);
  const held = readHold(paths.hold, readClock());
  return held === undefined || 'over' in held ? undefined : held;
}

function durationOf(context: Context): number {
  const [length, until] = [context.text('for'), context.text('until')];
  if ((length === undefined) === (until === undefined)) {
    throw usage('expected an end: either --for or --until');
  }
  const ms =
    length === undefined
      ? (parseTime(until ?? '') ?? NaN) - Date.now()
      : (parseDuration(length) ?? NaN);
  if (Number.isNaN(ms)) {
    throw usage(
      length === undefined
        ? `--until: expected a time such as 2026-04-22T19:00Z, found '${until}'`
        : `--for: expected a duration such as 2h, found '${length}'`,
    );
  }
  if (ms > 0 && ms <= MAX_HOLD_MS) return ms;
  throw usage(
    ms <= 0
      ? 'expected an end that lies ahead'
      : `expected an end within ${formatDuration(MAX_HOLD_MS)}, found ${formatDuration(ms)}`,
  );
}

function usage(message: string): CliError {
  return new CliError(
    'USAGE',
    message,
    "for example: updater hold --for 2h --reason 'audit today'",
  );
}
