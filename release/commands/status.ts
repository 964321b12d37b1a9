/** `release status`: what is in the working folder, and what each mirror has. */
import { join } from 'node:path';
import { statSync } from 'node:fs';
import { type Command, formatDuration, formatTable, interruptible } from '@landfall/cli';
import { OtaError } from '@landfall/errors';
import { artifactFiles, type Manifest } from '@landfall/manifest';
import { type Mirror, openMirrors, surveyMirrors, withoutName } from '@landfall/mirrors';
import { collectSignatures } from '../collect.ts';
import type { Settings } from '../config.ts';
import { listDrafts } from '../drafts.ts';
import { expectedOf, loadSettings, policyOf } from '../load-config.ts';
import { type ProvenPublication, readProofs } from '../proofs.ts';
import { describeCount } from '../waiting.ts';
import { reportHalts } from '../waiting-halts.ts';
import {
  listVersions,
  readBuildRecord,
  readOutdated,
  readSigned,
  signedChannels,
  versionFolder,
} from '../workspace.ts';
import { CHANNEL, channelOf } from './common.ts';

interface LocalRow {
  version: string;
  channel: string | null;
  sequence: number | null;
  state: string;
  /** What was proven of this manifest, by mirror; absent when nothing was. */
  proven?: ProvenPublication['mirrors'];
}

interface MirrorRow {
  name: string;
  address: string;
  version: string | null;
  sequence: number | null;
  behind: number | null;
  artifacts: string;
  ms: number;
  problem?: string;
}

/** `release status`: what stands in `.release`, and what each mirror has. Changes nothing. */
export const statusCommand: Command = {
  name: 'status',
  summary: 'show what was built here and what each mirror has',
  options: { channel: CHANNEL },
  async run(context) {
    const settings = await loadSettings(context.text('config'));
    const { channel, channelPath, expected } = channelOf(context, settings);
    const here = [...localRows(settings), ...waitingRows(settings)];
    const { mirrors, halts } = await interruptible(async (signal) => {
      const all = openMirrors(settings.mirrors, { directory: settings.directory });
      const survey = await surveyMirrors(all, {
        app: settings.app,
        channel: channelPath,
        policy: expected.policy,
        signal,
      });
      const { best } = survey;
      const rows = await Promise.all(
        survey.rows.map(async ({ mirror, ms, verified, problem }): Promise<MirrorRow> => {
          const sequence = verified?.manifest.sequence ?? null;
          const newest = best?.manifest;
          return {
            name: mirror.name,
            address: mirror.address,
            version: verified?.manifest.version ?? null,
            sequence,
            behind: newest === undefined ? null : newest.sequence - (sequence ?? 0),
            artifacts: newest === undefined ? '-' : await countServed(mirror, newest, signal),
            ms: Math.round(ms),
            ...(problem === undefined
              ? {}
              : { problem: withoutName(problem.message, mirror.name) }),
          };
        }),
      );
      return { mirrors: rows, halts: await reportHalts(settings, all, signal) };
    });
    context.result({ app: settings.app, channel, here, halts: halts.reports, mirrors }, [
      ...halts.lines,
      ...describe(here, mirrors, channel),
    ]);
  },
};

/** `2 of 2`: artifacts of a manifest that an anonymous reader would find with the right size. */
async function countServed(
  mirror: Mirror,
  manifest: Manifest,
  signal: AbortSignal,
): Promise<string> {
  const artifacts = artifactFiles(manifest);
  let found = 0;
  for (const { file, size } of artifacts) {
    try {
      const limits = { maxBytes: size, deadlineMs: 10_000, signal };
      const there = await mirror.statArtifact(manifest.version, file, limits);
      if (there !== undefined && (there.size === undefined || there.size === size)) found += 1;
    } catch (error) {
      if (!(error instanceof OtaError)) throw error;
      return '?';
    }
  }
  return `${found} of ${artifacts.length}`;
}

/** One row per version and channel in `.release`. */
function localRows(settings: Settings): LocalRow[] {
  return listVersions(settings).flatMap((version): LocalRow[] => {
    const folder = versionFolder(settings, version);
    const channels = signedChannels(folder);
    if (channels.length === 0) {
      const built = readBuildRecord(folder);
      const state =
        built === undefined
          ? 'not finished; the next build removes it'
          : `built, ${built.artifacts.length} artifacts, not signed`;
      return [{ version, channel: null, sequence: null, state }];
    }
    return channels.map((channelPath) => signedRow(settings, version, channelPath));
  });
}

/** One row per manifest that waits for signatures. */
function waitingRows(settings: Settings): LocalRow[] {
  return listDrafts(settings).map(({ path, bytes, manifest: { version, channel, sequence } }) => {
    const row = { version, channel, sequence };
    try {
      const policy = policyOf(settings, channel);
      const { signers } = collectSignatures(path, bytes, policy);
      return { ...row, state: describeCount({ threshold: policy.threshold, signers }) };
    } catch (error) {
      // Nobody may sign the channel any more.
      if (!(error instanceof OtaError)) throw error;
      return { ...row, state: `waits for signatures: ${error.message}` };
    }
  });
}

function signedRow(settings: Settings, version: string, channelPath: string | undefined): LocalRow {
  const channel = channelPath ?? settings.channel;
  const folder = versionFolder(settings, version);
  try {
    const verified = readSigned(folder, channelPath, expectedOf(settings, channel))?.verified;
    if (verified === undefined) return { version, channel, sequence: null, state: 'not signed' };
    const { manifest, sha256 } = verified;
    const proven = readProofs(settings, version).find((each) => each.sha256 === sha256)?.mirrors;
    const missing = artifactFiles(manifest).filter(
      ({ file, size }) => statSync(join(folder, file), { throwIfNoEntry: false })?.size !== size,
    );
    const state = missing.length === 0 ? 'signed' : `signed, ${missing.length} artifacts missing`;
    const row = { version, channel, sequence: manifest.sequence, state };
    return proven === undefined ? row : { ...row, proven };
  } catch (error) {
    if (!(error instanceof OtaError)) throw error;
    return unbelievedRow(settings, version, channelPath, error);
  }
}

/** What does not verify: changed, or signed by keys that were replaced since. */
function unbelievedRow(
  settings: Settings,
  version: string,
  channelPath: string | undefined,
  { message }: OtaError,
): LocalRow {
  const channel = channelPath ?? settings.channel;
  const folder = versionFolder(settings, version);
  const outdated = readOutdated(settings, folder, channelPath, { app: settings.app, channel });
  const sequence = outdated?.verified.manifest.sequence ?? null;
  const state = sequence === null ? message : 'signed by keys that were replaced since';
  return { version, channel, sequence, state };
}

/** `on 2 of 3`: mirrors whose index was read back, and how far those came that it was not. */
function describeProven(proven: LocalRow['proven'], total: number): string {
  if (proven === undefined) return '-';
  const mirrors = Object.entries(proven);
  const unfinished = mirrors.flatMap(([name, { artifacts, indexed }]) => {
    if (indexed !== undefined) return [];
    const read = Object.values(artifacts).filter(({ readBack }) => readBack !== undefined);
    return [`${name} ${read.length} read back`];
  });
  const done = `on ${mirrors.length - unfinished.length} of ${total}`;
  return [done, ...unfinished].join('; ');
}

function describe(
  here: readonly LocalRow[],
  mirrors: readonly MirrorRow[],
  channel: string,
): string[] {
  const local =
    here.length === 0
      ? ['nothing built here yet']
      : formatTable(
          ['here', 'channel', 'sequence', 'state', 'proven'],
          here.map((row) => [
            row.version,
            row.channel ?? '-',
            row.sequence === null ? '-' : String(row.sequence),
            row.state,
            describeProven(row.proven, mirrors.length),
          ]),
        );
  return [
    ...local,
    '',
    `channel ${channel}`,
    ...formatTable(
      ['mirror', 'version', 'sequence', 'behind', 'artifacts', 'answer', 'address'],
      mirrors.map((row) => [
        row.name,
        row.version ?? '-',
        row.sequence === null ? '-' : String(row.sequence),
        row.behind === null ? '-' : String(row.behind),
        row.artifacts,
        formatDuration(row.ms),
        row.address,
      ]),
    ),
    ...mirrors.flatMap(({ name, problem }) =>
      problem === undefined ? [] : [`${name}: ${problem}`],
    ),
  ];
}
