/**
 * `updater hold` and `updater unhold`: install nothing for a while, with a reason and an end.
 * They do not take the node's lock: an operator who wants nothing installed waits for nobody.
 */
import {
  type Command,
  CliError,
  type Context,
  formatDuration,
  parseDuration,
  parseTime,
} from '@landfall/cli';
import { Journal } from '@landfall/durable';
import { ExitCode, messageOf } from '@landfall/errors';
import { timestamp } from '../host.ts';
import { type Paths, pathsOf } from '../paths.ts';
import { describeHeld } from '../policy/judge.ts';
import { describeReach, findReach } from '../policy/reach.ts';
import { readClock } from '../records/clock.ts';
import {
  beginHold,
  MAX_HOLD_MS,
  readHeld,
  removeHold,
  writeHold,
  type Held,
} from '../records/hold-file.ts';
import { withHoldLock } from '../records/hold-lock.ts';
import { secureState } from '../state-folder.ts';
import { DRY_RUN, readConfig } from './session.ts';

/** `updater hold`: keeps what runs from being replaced, with a reason and an end. */
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
    'An updater that is at work is not waited for: what it has not begun to switch to stays staged.',
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
    const paths = securePaths(context);
    await withHoldLock(paths, 'hold', () => {
      writeHold(paths.hold, begun);
      note(context, paths, { hold: 'begun', reason, until: begun.until });
    });
    const reach = await findReach(paths);
    const { atWork, inProgress } = reach;
    context.result({ hold: begun, atWork: atWork ?? null, inProgress: inProgress ?? null }, [
      ...lines,
      ...describeReach(reach),
    ]);
    return ExitCode.done;
  },
};

/** `updater unhold`: lifts the hold, also one whose file makes no sense. */
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
    const paths = securePaths(context);
    const lifted = await withHoldLock(paths, 'unhold', () => {
      const held = readHeld(paths.hold, readClock());
      if (held === undefined) return undefined;
      removeHold(paths.hold);
      const reason = 'corrupt' in held ? held.corrupt : held.hold.reason;
      note(context, paths, { hold: 'lifted', reason });
      return held;
    });
    context.result(
      { lifted: lifted ?? null },
      lifted === undefined ? 'nothing is held' : `lifted: ${describeHeld(lifted)}`,
    );
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
  return readHeld(pathsOfNode(context).hold, readClock());
}

function pathsOfNode(context: Context): Paths {
  const { root, state } = readConfig(context);
  return pathsOf(root, state);
}

function securePaths(context: Context): Paths {
  const paths = pathsOfNode(context);
  secureState(paths, (line) => context.note(line));
  return paths;
}

/**
 * Writes it into the journal, which only a holder of the node's lock puts aside when it has grown.
 * What was done counts, also where there is no room to tell of it.
 */
function note(
  context: Context,
  { journal }: Paths,
  entry: Readonly<Record<string, unknown>>,
): void {
  const whole = new Journal(journal, { maxBytes: Number.POSITIVE_INFINITY });
  try {
    whole.append({ at: timestamp(), ...entry });
  } catch (error) {
    context.note(`note: the history does not tell of it: ${messageOf(error)}`);
  }
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
