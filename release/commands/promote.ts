/** `release promote --from beta --to stable`. */
import { CliError, type Command, interruptible } from '@landfall/cli';
import { openMirrors, surveyMirrors } from '@landfall/mirrors';
import type { Manifest } from '@landfall/manifest';
import type { Settings } from '../config.ts';
import { ReleaseError } from '../errors.ts';
import { loadSettings } from '../load-config.ts';
import { decidePromotion } from '../reissue.ts';
import { readSteps, STEPS } from '../rollout.ts';
import { type ChannelChoice, channelOf, DRY_RUN, FORCE_INDEX, QUORUM } from './common.ts';
import { publish } from './publish.ts';

/** `release promote`: signs one channel's release for another; the artifacts are the same. */
export const promoteCommand: Command = {
  name: 'promote',
  args: '[VERSION]',
  arity: [0, 1],
  summary: "publish one channel's release on another, as it is",
  options: {
    from: { value: 'C', help: 'the channel that has it' },
    to: { value: 'C', help: "the channel that gets it; the configuration's unless told" },
    steps: STEPS,
    quorum: QUORUM,
    'force-index': FORCE_INDEX,
    'dry-run': DRY_RUN,
  },
  details: [
    'The same artifacts with a manifest of their own: nothing is built, nothing is uploaded where it',
    'is there. VERSION, if given, must be what --from has. Exit codes: 0 all mirrors, 4 a quorum,',
    '1 fewer.',
  ],
  async run(context) {
    const settings = await loadSettings(context.text('config'));
    if (context.text('from') === undefined) {
      throw new CliError(
        'USAGE',
        "--from: expected a channel's name, found nothing",
        `for example: release promote --from beta --to ${settings.channel}`,
      );
    }
    const from = channelOf(context, settings, 'from');
    const to = channelOf(context, settings, 'to');
    if (from.channel === to.channel) {
      throw new CliError(
        'USAGE',
        `--to: expected another channel than --from, found '${to.channel}' twice`,
        "'release renew' publishes a release again on its own channel",
      );
    }
    const text = context.text('steps');
    const base = await currentOn(settings, from);
    const [wanted = base.version] = context.positionals;
    if (wanted !== base.version) throw otherVersion(wanted, base);
    return publish(context, {
      settings,
      channel: to,
      version: base.version,
      purpose: `release promote ${base.version}`,
      steps: text === undefined ? undefined : readSteps(text),
      decideHow: decidePromotion(base),
    });
  },
};

/** The release that a channel has now. Throws `ReleaseError` NOT_PUBLISHED, EQUIVOCATION. */
async function currentOn(
  settings: Settings,
  { channel, channelPath, expected }: ChannelChoice,
): Promise<Manifest> {
  const survey = await interruptible((signal) =>
    surveyMirrors(openMirrors(settings.mirrors, { directory: settings.directory }), {
      app: settings.app,
      channel: channelPath,
      policy: expected.policy,
      signal,
    }),
  );
  const best = survey.best?.manifest;
  if (best?.channel === channel) return best;
  if (best === undefined && survey.equivocation !== undefined) {
    throw new ReleaseError(
      'EQUIVOCATION',
      `mirrors serve different manifests of one sequence on channel '${channel}'`,
      { hint: "find out who signed which: 'mirrors status' names them" },
    );
  }
  const why = survey.rows.map(({ problem }) => problem?.message ?? 'another channel').join('; ');
  throw new ReleaseError('NOT_PUBLISHED', `channel '${channel}' has no release: ${why}`, {
    hint: `check --from; 'release ship --channel ${channel}' ships to it`,
  });
}

function otherVersion(wanted: string, base: Manifest): ReleaseError {
  return new ReleaseError(
    'NOT_PUBLISHED',
    `channel '${base.channel}' does not offer ${wanted}: expected ${wanted}, found ${base.version}`,
    { hint: `leave the version out to promote ${base.version}` },
  );
}
