/** `release ship [VERSION]`. */
import type { Command } from '@landfall/cli';
import { openWritableMirrors } from '@landfall/mirrors';
import { interruptible } from '../interrupt.ts';
import { loadSettings } from '../load-config.ts';
import { startProgress } from '../mirror-progress.ts';
import { describeReport, exitOf, reportOf } from '../report.ts';
import { ship } from '../ship.ts';
import type { Shipment } from '../shipment.ts';
import { showModeFor } from '../show.ts';
import { scratchOf, versionFolder, lockWorkspace, readSigned } from '../workspace.ts';
import { versionOf } from '../version.ts';
import { CHANNEL, channelOf, DRY_RUN, QUORUM, quorumFrom } from './common.ts';

export const shipCommand: Command = {
  name: 'ship',
  args: '[VERSION]',
  arity: [0, 1],
  summary: 'build, sign and publish a release to all mirrors',
  options: { channel: CHANNEL, quorum: QUORUM, 'dry-run': DRY_RUN },
  details: [
    "VERSION is that of the project's package.json unless told.",
    'It may be run again at any time: it finishes the same release with the same bytes, after a',
    'crash as well as for mirrors that were down. No index names an artifact before its mirror has',
    'served it to a stranger. Exit codes: 0 all mirrors, 4 a quorum, 1 fewer.',
  ],
  async run(context) {
    const started = performance.now();
    const settings = await loadSettings(context.text('config'));
    const version = versionOf(context.positionals[0], settings.directory);
    const channel = channelOf(context, settings);
    const quorum = quorumFrom(context, settings);
    const dryRun = context.flag('dry-run');
    const mirrors = startProgress(
      openWritableMirrors(settings.mirrors, { directory: settings.directory }),
    );
    const lock = dryRun ? undefined : lockWorkspace(settings, `release ship ${version}`);
    try {
      const folder = versionFolder(settings, version);
      return await interruptible(async (signal) => {
        const shipment: Shipment = {
          settings,
          version,
          ...channel,
          quorum,
          dryRun,
          mirrors,
          signal,
          folder,
          scratch: scratchOf(folder),
          local: readSigned(folder, channel.channelPath, channel.expected),
        };
        await ship(shipment, showModeFor(context.json));
        const report = reportOf(shipment, performance.now() - started);
        context.result(report, describeReport(shipment, report));
        return exitOf(shipment);
      });
    } finally {
      lock?.release();
    }
  },
};
