/** `release rollout VERSION --steps …`: lets the current release go out in other steps. */
import { CliError, type Command } from '@landfall/cli';
import { loadSettings } from '../load-config.ts';
import { decideRollout } from '../reissue.ts';
import { readSteps, STEPS } from '../rollout.ts';
import { versionOf } from '../version.ts';
import { CHANNEL, channelOf, DRY_RUN, FORCE_INDEX, QUORUM } from './common.ts';
import { publish } from './publish.ts';

/** `release rollout VERSION`: signs the current release once more, with other steps. */
export const rolloutCommand: Command = {
  name: 'rollout',
  args: 'VERSION',
  arity: [1, 1],
  summary: 'let the current release go out in other steps',
  options: {
    steps: STEPS,
    channel: CHANNEL,
    quorum: QUORUM,
    'force-index': FORCE_INDEX,
    'dry-run': DRY_RUN,
  },
  details: [
    'For example --steps 10@now,50@+24h,100@+72h. WHEN is now, a time after it (+24h), or a time',
    '(2026-04-22T19:00:00Z). Percents and times rise. Which nodes come first is a hash of node and',
    'release; a step only adds nodes, and one that runs the release keeps it.',
    "Signs the channel's next manifest for the same artifacts; 'release ship --steps' begins with steps.",
    'Exit codes: 0 all mirrors, 4 a quorum, 1 fewer, 2 not the current release.',
  ],
  async run(context) {
    const settings = await loadSettings(context.text('config'));
    const version = versionOf(context.positionals[0], settings.directory);
    const text = context.text('steps');
    if (text === undefined) {
      throw new CliError(
        'USAGE',
        '--steps: expected the steps, found nothing',
        `for example: release rollout ${version} --steps 10@now,50@+24h,100@+72h`,
      );
    }
    const steps = readSteps(text);
    return publish(context, {
      settings,
      channel: channelOf(context, settings),
      version,
      purpose: `release rollout ${version}`,
      steps,
      decideHow: decideRollout(version, steps),
    });
  },
};
