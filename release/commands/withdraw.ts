/** `release withdraw VERSION`: takes a release back. */
import { CliError, type Command, type Context } from '@landfall/cli';
import { loadSettings } from '../load-config.ts';
import { decideWithdrawal } from '../reissue.ts';
import { versionOf } from '../version.ts';
import { MAX_REASON } from '../withdrawals.ts';
import { CHANNEL, channelOf, DRY_RUN, FORCE_INDEX, QUORUM } from './common.ts';
import { publish } from './publish.ts';

/** `release withdraw VERSION`: no node installs it again, and those that run it leave it. */
export const withdrawCommand: Command = {
  name: 'withdraw',
  args: 'VERSION',
  arity: [1, 1],
  summary: 'take a release back: nodes on it move to the newest good one',
  options: {
    reason: { value: 'TEXT', help: 'why, for people; it stands in the manifest' },
    to: { value: 'VERSION', help: 'the release to go back to; the newest good one unless told' },
    foreign: { help: 'it was never ours: a thief published it, with a version above any of ours' },
    channel: CHANNEL,
    quorum: QUORUM,
    'force-index': FORCE_INDEX,
    'dry-run': DRY_RUN,
  },
  details: [
    'The next manifest of the channel names VERSION as withdrawn, for good: no node installs it',
    'again, and nodes that run it take what the manifest offers although it is older. When VERSION is',
    'the current release, that is the newest earlier one that was published and not withdrawn.',
    'No artifact is uploaded where it is there. Exit codes: 0 all mirrors, 4 a quorum, 1 fewer,',
    '3 nothing to go back to.',
  ],
  async run(context) {
    const settings = await loadSettings(context.text('config'));
    const version = versionOf(context.positionals[0], settings.directory);
    const to = context.text('to');
    const channel = channelOf(context, settings);
    return publish(context, {
      settings,
      channel,
      version,
      purpose: `release withdraw ${version}`,
      decideHow: decideWithdrawal({
        version,
        reason: reasonFrom(context),
        foreign: context.flag('foreign'),
        to: to === undefined ? undefined : versionOf(to, settings.directory),
      }),
    });
  },
};

/** `--reason`, one line; undefined without. Throws `CliError` USAGE. */
export function reasonFrom(context: Context): string | undefined {
  const reason = context.text('reason')?.trim();
  if (reason === undefined || reason === '') return undefined;
  if (reason.length <= MAX_REASON && !/\p{Cc}/u.test(reason)) return reason;
  throw new CliError(
    'USAGE',
    `--reason: expected one line of at most ${MAX_REASON} characters, found ${reason.length}`,
    'say it in a sentence; details belong into the notes of the next release',
  );
}
