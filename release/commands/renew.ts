/** `release renew`: the current release with a later end. */
import type { Command } from '@landfall/cli';
import { loadSettings } from '../load-config.ts';
import { decideRenewal } from '../reissue.ts';
import { CHANNEL, channelOf, DRY_RUN, FORCE_INDEX, QUORUM } from './common.ts';
import { publish } from './publish.ts';

/** `release renew`: signs the current release once more, with a later end. */
export const renewCommand: Command = {
  name: 'renew',
  summary: 'publish the current release again with a later end',
  options: { channel: CHANNEL, quorum: QUORUM, 'force-index': FORCE_INDEX, 'dry-run': DRY_RUN },
  details: [
    "A manifest ends 'expiresDays' after it was signed, and nodes install nothing from one that",
    'ended. This signs the next one for the same artifacts; none is uploaded where it is there.',
    'Exit codes: 0 all mirrors, 4 a quorum, 1 fewer.',
  ],
  async run(context) {
    const settings = await loadSettings(context.text('config'));
    const channel = channelOf(context, settings);
    return publish(context, {
      settings,
      channel,
      version: 'current',
      purpose: 'release renew',
      decideHow: decideRenewal,
    });
  },
};
