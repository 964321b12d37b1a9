/** What the commands that publish a manifest have in common: one way from options to the report. */
import { type Context, interruptible } from '@landfall/cli';
import { ExitCode } from '@landfall/errors';
import { openWritableMirrors } from '@landfall/mirrors';
import type { Settings } from '../config.ts';
import { startProgress } from '../mirror-progress.ts';
import {
  describeReport,
  describeWaitingShipment,
  exitOf,
  reportOf,
  reportWaitingShipment,
} from '../report.ts';
import type { PlannedSteps } from '../rollout.ts';
import { type Decide, ship } from '../ship.ts';
import type { Shipment } from '../shipment.ts';
import { showModeFor } from '../show.ts';
import { lockWorkspace, scratchOf, versionFolder } from '../workspace.ts';
import { type ChannelChoice, forcedFrom, quorumFrom } from './common.ts';

/** What a command wants published; quorum, dry run and forced mirrors are read from its options. */
export interface Publication {
  readonly settings: Settings;
  readonly channel: ChannelChoice;
  /** What holds the lock, for whoever comes second: `release renew`. */
  readonly purpose: string;
  /** The version that is meant; a decision may turn to another. */
  readonly version: string;
  /** `release ship`'s own unless told. */
  readonly decideHow?: Decide;
  /** In which steps it goes out. */
  readonly steps?: PlannedSteps | undefined;
}

/** Runs the list of steps under the lock and reports. */
export async function publish(context: Context, publication: Publication): Promise<ExitCode> {
  const started = performance.now();
  const { settings, channel, version, purpose, decideHow, steps } = publication;
  const quorum = quorumFrom(context, settings);
  const dryRun = context.flag('dry-run');
  const mirrors = startProgress(
    openWritableMirrors(settings.mirrors, { directory: settings.directory }),
  );
  const forced = forcedFrom(
    context,
    mirrors.map(({ mirror }) => mirror),
  );
  const lock = dryRun ? undefined : lockWorkspace(settings, purpose);
  try {
    const folder = versionFolder(settings, version);
    return await interruptible(async (signal) => {
      const shipment: Shipment = {
        settings,
        version,
        ...channel,
        quorum,
        dryRun,
        forced,
        steps,
        mirrors,
        signal,
        folder,
        scratch: scratchOf(folder),
        local: undefined,
      };
      await ship(shipment, showModeFor(context.json), decideHow);
      if (shipment.waiting !== undefined) {
        const waiting = reportWaitingShipment(shipment, shipment.waiting);
        context.result(waiting, describeWaitingShipment(shipment, shipment.waiting));
        return ExitCode.refused;
      }
      const report = reportOf(shipment, performance.now() - started);
      context.result(report, describeReport(shipment, report));
      return exitOf(shipment);
    });
  } finally {
    lock?.release();
  }
}
