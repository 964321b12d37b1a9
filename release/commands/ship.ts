/** `release ship [VERSION]`. */
import type { Command } from '@landfall/cli';
import { loadSettings } from '../load-config.ts';
import { readSteps, STEPS } from '../rollout.ts';
import { versionOf } from '../version.ts';
import { CHANNEL, channelOf, DRY_RUN, FORCE_INDEX, QUORUM } from './common.ts';
import { publish } from './publish.ts';

/** `release ship [VERSION]`: builds, signs and publishes, or finishes what an earlier run began. */
export const shipCommand: Command = {
  name: 'ship',
  args: '[VERSION]',
  arity: [0, 1],
  summary: 'build, sign and publish a release to all mirrors',
  options: {
    channel: CHANNEL,
    steps: STEPS,
    quorum: QUORUM,
    'force-index': FORCE_INDEX,
    'dry-run': DRY_RUN,
  },
  details: [
    "VERSION is that of the project's package.json unless told.",
    'It may be run again at any time: it finishes the same release with the same bytes, after a',
    'crash as well as for mirrors that were down. No index names an artifact before its mirror has',
    'served it to a stranger. With --steps 10@now,100@+24h a new release goes out in steps. Where',
    'several must sign it waits for them. Exit codes: 0 all mirrors, 4 a quorum, 1 fewer, 3 refused',
    'or waiting.',
  ],
  async run(context) {
    const settings = await loadSettings(context.text('config'));
    const version = versionOf(context.positionals[0], settings.directory);
    const channel = channelOf(context, settings);
    const text = context.text('steps');
    const steps = text === undefined ? undefined : readSteps(text);
    const purpose = `release ship ${version}`;
    return publish(context, { settings, channel, version, purpose, steps });
  },
};
