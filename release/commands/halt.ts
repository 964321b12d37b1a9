/** `release halt VERSION --reason …` and `release resume VERSION`. */
import { CliError, type Command, type Context, interruptible } from '@landfall/cli';
import { ExitCode } from '@landfall/errors';
import { openWritableMirrors } from '@landfall/mirrors';
import { describeHalt, type HaltRun, haltSteps, type HaltWish, type RenewalWish } from '../halt.ts';
import { HERE } from '../halt-doubts.ts';
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

/** `release halt VERSION`: nodes install it no more; with `--renew`, signs the list anew. */
export const haltCommand: Command = {
  name: 'halt',
  args: '[VERSION]',
  arity: [0, 1],
  summary: 'stop a release on every node at its next check, until it is resumed',
  options: {
    reason: { value: 'TEXT', help: 'why; nodes show it' },
    renew: { help: 'sign what is halted anew, after keys were replaced; without VERSION' },
    from: {
      value: 'MIRROR',
      help: `with --renew: take over its list; '${HERE}': only what was halted here`,
    },
    ...COMMON,
  },
  details: [
    'Signs the next halt file of the channel and puts it on every mirror that can be reached. No node',
    'installs VERSION from then on; those that run it keep it and say so. It can be taken back',
    "('release resume'); to move nodes away from a release: 'release withdraw'.",
    'After keys were replaced nodes take nothing from mirrors whose halt file only those signed:',
    '--renew puts the same list there, signed by the keys of today (ship does it in passing).',
    EXIT_CODES,
  ],
  async run(context) {
    const [version] = context.positionals;
    const reason = reasonFrom(context);
    const from = context.text('from');
    if (context.flag('renew')) {
      if (version === undefined && reason === undefined) return publishHalt(context, { from });
      throw new CliError(
        'USAGE',
        '--renew: expected neither VERSION nor --reason, because the list stays as it is',
        'first run it alone, then halt what is to be halted',
      );
    }
    if (version === undefined || from !== undefined) {
      const what =
        version === undefined ? 'VERSION, or --renew: found neither' : "'--from' only with --renew";
      throw new CliError('USAGE', `expected ${what}`, "see 'release halt --help'");
    }
    if (reason === undefined) {
      throw new CliError(
        'USAGE',
        '--reason: expected why, found nothing',
        "for example: release halt 1.7.42 --reason 'login page is blank'",
      );
    }
    return publishHalt(context, { version, reason });
  },
};

/** `release resume VERSION`: takes a halt back. */
export const resumeCommand: Command = {
  name: 'resume',
  args: 'VERSION',
  arity: [1, 1],
  summary: 'let a release that was halted go on',
  options: COMMON,
  details: ['Signs the next halt file of the channel, without VERSION.', EXIT_CODES],
  run: (context) => publishHalt(context, { version: context.positionals[0], reason: undefined }),
};

type Wish = RenewalWish | { version: string | undefined; reason: string | undefined };

async function publishHalt(context: Context, given: Wish): Promise<ExitCode> {
  const settings = await loadSettings(context.text('config'));
  const wish =
    'version' in given
      ? { version: versionOf(given.version, settings.directory), reason: given.reason }
      : given;
  const choice = channelOf(context, settings);
  const quorum = quorumFrom(context, settings);
  const dryRun = context.flag('dry-run');
  const command = commandOf(wish);
  const lock = dryRun ? undefined : lockWorkspace(settings, command);
  try {
    return await interruptible(async (signal) => {
      const { directory } = settings;
      const mirrors = startProgress(openWritableMirrors(settings.mirrors, { directory }));
      const run: HaltRun = { settings, ...choice, mirrors, signal, dryRun, rows: [], doubted: [] };
      try {
        await runSteps(haltSteps(dryRun, wish), run, showModeFor(context.json));
      } finally {
        for (const key of run.keys ?? []) key.destroy();
      }
      return report(context, run, wish, quorum);
    });
  } finally {
    lock?.release();
  }
}

function commandOf(wish: HaltWish | RenewalWish): string {
  if ('version' in wish)
    return `release ${wish.reason === undefined ? 'resume' : 'halt'} ${wish.version}`;
  return `release halt --renew${wish.from === undefined ? '' : ` --from ${wish.from}`}`;
}

function report(
  context: Context,
  run: HaltRun,
  wish: HaltWish | RenewalWish,
  quorum: number,
): ExitCode {
  const { mirrors, waiting, dryRun, channel } = run;
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
    const isSo =
      'version' in wish
        ? `${wish.version} is not halted on channel '${channel}'`
        : `no halt file of channel '${channel}' is to be signed anew`;
    context.result(data, `${isSo}: nothing to do`);
    return ExitCode.done;
  }
  const what = describeHalt(halt).replace(' halts ', ` of channel '${channel}' halts `);
  if (dryRun) {
    context.result(data, `dry run, nothing was changed: ${what}`);
    return ExitCode.done;
  }
  const isHalt = 'version' in wish && wish.reason !== undefined;
  const again = `${commandOf(wish)}${isHalt ? ' --reason …' : ''}`;
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
