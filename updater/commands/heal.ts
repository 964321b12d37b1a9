/** `updater heal`: look at every file of what runs now, and restore what is not as it was installed. */
import type { Command } from '@landfall/cli';
import { ExitCode } from '@landfall/errors';
import { startWithLink } from '../heal/gone.ts';
import { heal as healNode, type HealReport } from '../heal/heal.ts';
import type { Host } from '../host.ts';
import { refuseCorrupt } from '../corrupt.ts';
import { begin } from '../settle.ts';
import { DRY_RUN, openToLook, withHost } from './session.ts';

/** `updater heal`: a full look by hand; what was left alone is restored as well. */
export const heal: Command = {
  name: 'heal',
  summary: 'read every file of what runs, and restore what is not as it was installed',
  options: DRY_RUN,
  details: [
    "'once' and 'run' do this by themselves, as [heal] of the configuration says. By hand, what was left",
    'alone because it kept changing is restored too. Foreign files are moved to <root>/aside.',
    'Exit code 0: all is as it was installed; 1: something is not; 3: nothing runs that could be looked at.',
  ],
  async run(context) {
    const dryRun = context.flag('dry-run');
    const report = dryRun
      ? await look(openToLook(context, new AbortController().signal), true)
      : await withHost(context, 'heal', (host) => look(host, false));
    if (report === undefined) {
      const reason =
        "nothing runs that could be looked at, or a verdict is due: see 'updater status'";
      context.result({ outcome: 'declined', reason }, reason);
      return ExitCode.refused;
    }
    context.result({ dryRun, ...report }, toLines(report, dryRun));
    const isWhole = report.problems.length === 0;
    return isWhole ? ExitCode.done : ExitCode.failed;
  },
};

async function look(host: Host, dryRun: boolean): Promise<HealReport | undefined> {
  refuseCorrupt(host);
  if (!dryRun) {
    const { linked } = begin(host);
    if (linked !== undefined) await startWithLink(host, linked);
  }
  return healNode(host, { online: true, byHand: true, dryRun });
}

/** How it is now: what was repaired was told when it was. */
function toLines({ deployment, problems }: HealReport, dryRun: boolean): string[] {
  const { version } = deployment;
  if (problems.length === 0) return [`${version} is as it was installed`];
  const lines = problems.map((each) => `  ${each}`);
  const what = dryRun ? 'is not as it was installed' : 'is still not as it was installed';
  return [`${version} ${what}:`, ...lines];
}
