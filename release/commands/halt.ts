/** `release halt VERSION --reason …` and `release resume VERSION`. */
import { CliError, type Command, type Context } from '@landfall/cli';
import { ExitCode } from '@landfall/errors';
import { openWritableMirrors } from '@landfall/mirrors';
import { describeHalts, type HaltRun, haltSteps } from '../halt.ts';
import { interruptible } from '../interrupt.ts';
import { loadSettings } from '../load-config.ts';
import { failureText, startProgress } from '../mirror-progress.ts';
import { runSteps, showModeFor } from '../show.ts';
import { versionOf } from '../version.ts';
import { describeWaiting, reportWaiting } from '../waiting.ts';
import { lockWorkspace } from '../workspace.ts';
import { CHANNEL, channelOf, DRY_RUN, QUORUM, quorumFrom } from './common.ts';
import { reasonFrom } from './withdraw.ts';

const COMMON = { channel: CHANNEL, quorum: QUORUM, 'dry-run': DRY_RUN };
const EXIT_CODES =
  'Exit codes: 0 all mirrors, 4 a quorum, 1 fewer, 3 it waits for signatures of others.';

export const haltCommand: Command = {
  name: 'halt',
  args: 'VERSION',
  arity: [1, 1],
  summary: 'stop a release on every node at its next check, until it is resumed',
  options: { reason: { value: 'TEXT', help: 'why; nodes show it' }, ...COMMON },
  details: [
    'Signs the next halt file of the channel and puts it on every mirror that can be reached. No node',
    'installs VERSION from then on; those that run it keep it and say so. It can be taken back',
    "('release resume'); to move nodes away from a release: 'release withdraw'.",
    EXIT_CODES,
  ],
  async run(context) {
    const reason = reasonFrom(context);
    if (reason === undefined) {
      throw new CliError(
        'USAGE',
        '--reason: expected why, found nothing',
        "for example: release halt 1.7.42 --reason 'login page is blank'",
      );
    }
    return publishHalt(context, reason);
  },
};

export const resumeCommand: Command = {
  name: 'resume',
  args: 'VERSION',
  arity: [1, 1],
  summary: 'let a release that was halted go on',
  options: COMMON,
  details: ['Signs the next halt file of the channel, without VERSION.', EXIT_CODES],
  run: (context) => publishHalt(context, undefined),
};

async function publishHalt(context: Context, reason: string | undefined): Promise<ExitCode> {
  const settings = await loadSettings(context.text('config'));
  const version = versionOf(context.positionals[0], settings.directory);
  const choice = channelOf(context, settings);
  const quorum = quorumFrom(context, settings);
  const dryRun = context.flag('dry-run');
  const name = reason === undefined ? 'resume' : 'halt';
  const lock = dryRun ? undefined : lockWorkspace(settings, `release ${name} ${version}`);
  try {
    return await interruptible(async (signal) => {
      const { directory } = settings;
      const mirrors = startProgress(openWritableMirrors(settings.mirrors, { directory }));
      const wish = { version, reason };
      const run: HaltRun = { settings, ...choice, mirrors, signal, dryRun, wish, rows: [] };
      try {
        await runSteps(haltSteps(dryRun), run, showModeFor(context.json));
      } finally {
        for (const key of run.keys ?? []) key.destroy();
      }
      return report(context, run, quorum);
    });
  } finally {
    lock?.release();
  }
}

function report(context: Context, run: HaltRun, quorum: number): ExitCode {
  const { mirrors, wish, waiting, dryRun, channel } = run;
  const halt = run.goal?.halt ?? run.draft?.halt;
  const complete = mirrors.filter(({ indexed }) => indexed).length;
  const data = {
    channel,
    serial: halt?.serial ?? null,
    halted: halt?.halted ?? [],
    dryRun,
    quorum,
    complete,
    waiting: waiting === undefined ? null : reportWaiting(waiting),
    mirrors: mirrors.map((each) => ({
      name: each.mirror.name,
      has: each.indexed,
      problem: each.failure === undefined ? null : failureText(each),
    })),
  };
  if (halt === undefined) {
    context.result(data, `${wish.version} is not halted on channel '${channel}': nothing to do`);
    return ExitCode.done;
  }
  const what = `serial ${halt.serial} of channel '${channel}' halts ${describeHalts(halt)}`;
  if (dryRun) {
    context.result(data, `dry run, nothing was changed: ${what}`);
    return ExitCode.done;
  }
  const command = `release ${wish.reason === undefined ? 'resume' : 'halt'} ${wish.version}`;
  const again = wish.reason === undefined ? command : `${command} --reason …`;
  if (waiting !== undefined) {
    context.result(data, [`${what}; it lacks signatures`, ...describeWaiting(waiting, again)]);
    return ExitCode.refused;
  }
  const failed = mirrors.filter(({ failure }) => failure !== undefined);
  context.result(data, [
    `${what}, on ${complete} of ${mirrors.length} mirrors`,
    ...failed.map((each) => `${each.mirror.name}: ${failureText(each)}`),
    ...(failed.length === 0 ? [] : [`this completes the rest: ${again}`]),
  ]);
  if (complete === mirrors.length) return ExitCode.done;
  return complete >= quorum ? ExitCode.partial : ExitCode.failed;
}
