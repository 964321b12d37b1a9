/** `updater golden`: show, pin or unpin the deployment that is the last resort. */
import { type Command, CliError, type Context } from '@landfall/cli';
import { ExitCode } from '@landfall/errors';
import type { Deployment } from '../facts.ts';
import { pickGolden, pinGolden } from '../golden.ts';
import { findHarm } from '../heal/harm.ts';
import type { Host } from '../host.ts';
import { readGolden } from '../records/golden-file.ts';
import { DRY_RUN, openToLook, withHost } from './session.ts';
import { describeGolden } from './words.ts';

/** `updater golden`: shows the last resort, pins a release that passed here, or unpins it. */
export const golden: Command = {
  name: 'golden',
  args: '[VERSION]',
  arity: [0, 1],
  summary: 'show the last resort, or pin VERSION as it: a release that passed here and is kept',
  options: { unpin: { help: 'pin none' }, ...DRY_RUN },
  details: [
    'The pinned deployment stays on the disk. The node goes to it, once, when neither what runs',
    'nor what ran before it is of use.',
    'Exit code 0: shown or pinned; 1: what is pinned is not whole; 3: VERSION cannot be pinned.',
  ],
  async run(context) {
    const [version] = context.positionals;
    const unpin = context.flag('unpin');
    if (unpin && version !== undefined) {
      throw new CliError(
        'USAGE',
        '--unpin: expected no VERSION with it',
        "see 'updater golden --help'",
      );
    }
    if (version === undefined && !unpin) return show(context);
    const dryRun = context.flag('dry-run');
    const change = (host: Host): ExitCode => pin(context, host, version, dryRun);
    if (dryRun) return change(openToLook(context, new AbortController().signal));
    return withHost(context, 'golden', async (host) => change(host));
  },
};

function show(context: Context): ExitCode {
  const { paths } = openToLook(context, new AbortController().signal);
  const found = readGolden(paths.golden);
  const isKnown = found !== undefined && found !== 'corrupt';
  const damage = isKnown ? findHarm(paths, found.deployment) : undefined;
  context.result({ golden: found ?? null, damage: damage ?? null }, describeGolden(found, damage));
  return damage === undefined && found !== 'corrupt' ? ExitCode.done : ExitCode.failed;
}

function pin(context: Context, host: Host, version: string | undefined, dryRun: boolean): ExitCode {
  const picked = version === undefined ? undefined : pickGolden(host, version);
  if (picked !== undefined && 'code' in picked) {
    const { reason, hint } = picked;
    const lines = [`not pinned: ${reason}`, ...(hint === undefined ? [] : [`  hint: ${hint}`])];
    context.result({ dryRun, golden: null, decline: picked }, lines);
    return ExitCode.refused;
  }
  if (!dryRun) pinGolden(host, picked);
  context.result({ dryRun, golden: picked ?? null }, pinnedWords(picked, dryRun));
  return ExitCode.done;
}

function pinnedWords(deployment: Deployment | undefined, dryRun: boolean): string {
  const is = dryRun ? 'would be' : 'is';
  return deployment === undefined
    ? `no deployment ${is} the last resort`
    : `${deployment.version} (${deployment.id}) ${is} the last resort`;
}
