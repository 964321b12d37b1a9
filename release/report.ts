/** What came of a shipment: the exit code, the data for `--json`, and the lines for people. */
import { formatBytes, formatDuration, formatTable } from '@landfall/cli';
import { ExitCode } from '@landfall/errors';
import { artifactFiles, type Manifest } from '@landfall/manifest';
import { failureText, type MirrorProgress } from './mirror-progress.ts';
import { need, nextCommand, type Shipment } from './shipment.ts';
import { describeCount, describeWaiting, reportWaiting, type Waiting } from './waiting.ts';

/** A mirror in the report. */
interface MirrorReport {
  name: string;
  address: string;
  complete: boolean;
  artifacts: number;
  index: boolean;
  sentBytes: number;
  failed?: { doing: string; code: string; message: string; hint?: string };
}

/** What `--json` prints of a publication. Sizes in bytes, `durationMs` in milliseconds. */
export interface ShipReport {
  app: string;
  version: string;
  channel: string;
  sequence: number;
  /** SHA-256 of the manifest, in hex. */
  sha256: string;
  commit: string;
  dryRun: boolean;
  quorum: number;
  complete: number;
  /** The command that completes the rest, when some mirror is behind. */
  next?: string;
  durationMs: number;
  artifacts: { file: string; size: number; sha256: string }[];
  mirrors: MirrorReport[];
}

/** 0: every mirror is complete. 4: a quorum is. 1: fewer. A dry run that got this far is 0. */
export function exitOf(shipment: Shipment): ExitCode {
  if (shipment.dryRun) return ExitCode.done;
  const complete = shipment.mirrors.filter(({ indexed }) => indexed).length;
  if (complete === shipment.mirrors.length) return ExitCode.done;
  return complete >= shipment.quorum ? ExitCode.partial : ExitCode.failed;
}

/** The data of the report; `durationMs` is how long it took. */
export function reportOf(shipment: Shipment, durationMs: number): ShipReport {
  const { manifest, sha256 } = need(shipment.signed, 'signed manifest').verified;
  const complete = shipment.mirrors.filter(({ indexed }) => indexed).length;
  const behind = !shipment.dryRun && complete < shipment.mirrors.length;
  return {
    app: manifest.app,
    version: manifest.version,
    channel: manifest.channel,
    sequence: manifest.sequence,
    sha256,
    commit: manifest.commit,
    dryRun: shipment.dryRun,
    quorum: shipment.quorum,
    complete,
    ...(behind ? { next: nextCommand(shipment) } : {}),
    durationMs: Math.round(durationMs),
    artifacts: artifactFiles(manifest).map(({ file, size, sha256: digest }) => ({
      file,
      size,
      sha256: digest,
    })),
    mirrors: shipment.mirrors.map(reportMirror),
  };
}

/** The data of a report on what waits for signatures. */
export function reportWaitingShipment(shipment: Shipment, waiting: Waiting): object {
  const { app, version, channel, sequence } = waiting.manifest;
  const { dryRun } = shipment;
  return {
    app,
    version,
    channel,
    sequence,
    dryRun,
    waiting: reportWaiting(waiting),
    next: nextCommand(shipment),
  };
}

/** The same as lines. */
export function describeWaitingShipment(shipment: Shipment, waiting: Waiting): string[] {
  const { app, version, channel, sequence } = waiting.manifest;
  const release = `${app} ${version} (channel ${channel}, sequence ${sequence})`;
  const count = describeCount(waiting);
  if (shipment.dryRun && shipment.draft === undefined) {
    return [`dry run, nothing was changed: ${release} would wait: ${count}`];
  }
  return [
    `${release} is not published: it ${count}`,
    ...describeWaiting(waiting, nextCommand(shipment)),
  ];
}

/** The report as lines. */
export function describeReport(shipment: Shipment, report: ShipReport): string[] {
  const { manifest } = need(shipment.signed, 'signed manifest').verified;
  if (report.dryRun) return describeDryRun(shipment, report, manifest);
  const total = report.mirrors.length;
  const release = `${report.app} ${report.version} (channel ${report.channel}, sequence ${report.sequence})`;
  const changed = report.mirrors.some((mirror) => mirror.sentBytes > 0) || !wasPublished(shipment);
  const head =
    report.complete === total
      ? changed
        ? `${release} is on ${allOf(total)}, ${formatDuration(report.durationMs)}`
        : `${release}: everything is already there, on ${allOf(total)}`
      : `${release} is on ${report.complete} of ${total} mirrors, ${report.quorum} needed`;
  const lines = [head, ...describeEnd(shipment, manifest), '', ...mirrorTable(report)];
  const failed = report.mirrors.filter((mirror) => mirror.failed !== undefined);
  if (failed.length > 0) lines.push('');
  for (const { name, failed: why } of failed) {
    lines.push(`${name}: ${why?.message}`);
    if (why?.hint !== undefined) lines.push(`  hint: ${why.hint}`);
  }
  if (report.next !== undefined) lines.push('', `this completes the rest: ${report.next}`);
  return lines;
}

/** What was signed long ago, or waited long for signatures, may have ended before it is out. */
function describeEnd(
  { channel, channelPath }: Shipment,
  { expires, sequence }: Manifest,
): string[] {
  if (Date.parse(expires) > Date.now()) return [];
  const renew = `release renew${channelPath === undefined ? '' : ` --channel ${channel}`}`;
  return [
    `sequence ${sequence} has ended at ${expires}, and nodes install nothing of it: ${renew}`,
  ];
}

function allOf(total: number): string {
  return total === 1 ? 'its one mirror' : `all ${total} mirrors`;
}

/** Whether every mirror served this manifest before the run began. */
function wasPublished({ survey, signed }: Shipment): boolean {
  return survey?.rows.every((row) => row.verified?.sha256 === signed?.verified.sha256) ?? false;
}

function describeDryRun(shipment: Shipment, report: ShipReport, manifest: Manifest): string[] {
  const lines = [
    `dry run, nothing was changed: would ship ${report.app} ${report.version} (channel ${report.channel}, sequence ${report.sequence})`,
    ...describeEnd(shipment, manifest),
    '',
    ...formatTable(
      ['artifact', 'size', 'sha256'],
      report.artifacts.map(({ file, size, sha256 }) => [
        file,
        formatBytes(size),
        `${sha256.slice(0, 12)}…`,
      ]),
    ),
    '',
  ];
  const artifacts = artifactFiles(manifest);
  for (const progress of shipment.mirrors) {
    const { mirror, held, failure } = progress;
    const missing = artifacts.filter(({ file }) => !held.has(file));
    const bytes = missing.reduce((sum, { size }) => sum + size, 0);
    const has = shipment.survey?.rows.find((row) => row.mirror === mirror)?.verified?.sha256;
    const index = has === report.sha256 ? 'has the index' : 'write the index';
    lines.push(
      failure === undefined
        ? `${mirror.name}: would upload ${missing.length} of ${artifacts.length} artifacts (${formatBytes(bytes)}), ${index}`
        : `${mirror.name}: would be left out: ${failureText(progress)}`,
    );
  }
  return lines;
}

function mirrorTable(report: ShipReport): string[] {
  return formatTable(
    ['mirror', 'artifacts', 'index', 'sent', 'address'],
    report.mirrors.map((mirror) => [
      mirror.name,
      `${mirror.artifacts} of ${report.artifacts.length}`,
      mirror.index ? 'verified' : 'no',
      formatBytes(mirror.sentBytes),
      mirror.address,
    ]),
  );
}

function reportMirror(progress: MirrorProgress): MirrorReport {
  const { mirror, held, indexed, sent, failure } = progress;
  return {
    name: mirror.name,
    address: mirror.address,
    complete: indexed,
    artifacts: held.size,
    index: indexed,
    sentBytes: sent,
    ...(failure === undefined
      ? {}
      : {
          failed: {
            doing: failure.doing,
            code: failure.error.code,
            message: failureText(progress),
            ...(failure.error.hint === undefined ? {} : { hint: failure.error.hint }),
          },
        }),
  };
}
