/** What `release status` tells of halt files that wait for signatures. Changes nothing. */
import { OtaError } from '@landfall/errors';
import { highestHalts, type Mirror, surveyHalts } from '@landfall/mirrors';
import type { Settings } from './config.ts';
import { haltedChannels, type WaitingHalt, waitingHalt } from './halt-drafts.ts';
import { policyOf } from './load-config.ts';
import { describeCount } from './waiting.ts';
import { channelPathOf } from './workspace.ts';

/** One that waits, for machines; or why those of a channel cannot be read. */
export type HaltReport =
  | { channel: string; serial: number; path: string; threshold: number; signers: number }
  | { channel: string; problem: string };

/** Those of all channels that no published one has taken the place of, and a line on each. */
export async function reportHalts(
  settings: Settings,
  mirrors: readonly Mirror[],
  signal: AbortSignal,
): Promise<{ reports: HaltReport[]; lines: string[] }> {
  const reports: HaltReport[] = [];
  const lines: string[] = [];
  for (const channel of haltedChannels(settings)) {
    try {
      const waiting = waitingHalt(settings, channel);
      if (waiting === undefined) continue;
      const published = await publishedSerial(settings, channel, mirrors, signal);
      if (waiting.halt.serial <= published) continue;
      reports.push(toReport(waiting));
      lines.push(
        `halt file ${waiting.halt.serial} of channel '${channel}' ${describeCount(waiting)}: ${waiting.path}`,
      );
    } catch (error) {
      if (!(error instanceof OtaError)) throw error;
      reports.push({ channel, problem: error.message });
      lines.push(`halt files of channel '${channel}' cannot be read: ${error.message}`);
    }
  }
  return { reports, lines };
}

/** The highest serial that mirrors show; 0 when none shows a halt file. */
async function publishedSerial(
  settings: Settings,
  channel: string,
  mirrors: readonly Mirror[],
  signal: AbortSignal,
): Promise<number> {
  const policy = policyOf(settings, channel);
  const rows = await surveyHalts(mirrors, {
    app: settings.app,
    channel: channelPathOf(settings, channel),
    policy,
    signal,
  });
  return Math.max(0, ...highestHalts(rows).map(({ verified }) => verified.halt.serial));
}

function toReport({ halt, path, threshold, signers }: WaitingHalt): HaltReport {
  const { channel, serial } = halt;
  return { channel, serial, path, threshold, signers: signers.length };
}
