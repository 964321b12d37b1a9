/**
 * Every artifact that a mirror's own indexes name, read to the last byte and held against all
 * that is signed of it: SHA-256 and ranges on each mirror, what it unpacks to once for all of
 * them, where the scratch folder has room. A crash leaves one file of each mirror there.
 */
import { closeSync, constants, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { ArchiveError } from '@landfall/archive';
import { describeSystemError, messageOf, systemCode } from '@landfall/errors';
import { artifactFiles, type Manifest, ManifestError, type ReleaseFile } from '@landfall/manifest';
import { type ArtifactState, checkArtifact } from '../check-artifact.ts';
import { MirrorError } from '../errors.ts';
import { gateArtifact } from '../gate.ts';
import type { Mirror } from '../mirror.ts';
import { claimsOf } from '../signed-bytes.ts';
import type { SurveyRow } from '../survey.ts';
import type { Finding, Fixes } from './finding.ts';

/** A channel's index as the mirror serves it. Undefined: the default channel. */
export interface ChannelRow {
  channel: string | undefined;
  row: Pick<SurveyRow, 'verified'>;
}

interface ReadOptions {
  fixes: Fixes;
  /** What was unpacked, or is being: from whichever mirror it came first. */
  gated: Map<string, Promise<unknown>>;
  /** Path of the file that is read into. */
  scratch: string;
  signal: AbortSignal | undefined;
}

interface Named {
  manifest: Manifest;
  channel: string | undefined;
  artifact: ReleaseFile;
}

/** What is wrong with them, and how many are right. A mirror that does not answer is not asked for the rest. */
export async function readArtifacts(
  mirror: Mirror,
  rows: readonly ChannelRow[],
  options: ReadOptions,
): Promise<{ findings: Finding[]; artifacts: { right: number; total: number } }> {
  const { fixes } = options;
  const named = namedBy(rows);
  const findings: Finding[] = [];
  const artifacts = { right: 0, total: named.size };
  const add = (code: Finding['code'], message: string): void => {
    const fix = fixes.sync(mirror.name);
    findings.push({ mirror: mirror.name, code, severity: 'error', message, fix });
  };
  try {
    for (const each of named.values()) {
      const what = `'${each.artifact.file}' of release ${each.manifest.version}`;
      const found = await lookAt(mirror, each, options);
      if ('alarm' in found) findings.push(alarmOf(mirror, each, found.alarm, fixes));
      else if ('unread' in found) {
        artifacts.right += 1;
        findings.push(unreadOf(mirror, what, found.unread, fixes));
      } else if (found.state === 'missing')
        add('ARTIFACT_MISSING', `its index names ${what}, which is not there`);
      else if (found.state === 'wrong')
        add('ARTIFACT_WRONG', `${what} is not what was signed: ${found.found}`);
      else artifacts.right += 1;
    }
  } catch (error) {
    if (!(error instanceof MirrorError)) throw error;
    add('UNREACHABLE', error.message);
  }
  return { findings, artifacts };
}

/** Each file once for all that is said of it: two manifests may say different things of the same bytes. */
function namedBy(rows: readonly ChannelRow[]): Map<string, Named> {
  return new Map(
    rows.flatMap(({ channel, row: { verified } }) =>
      verified === undefined
        ? []
        : artifactFiles(verified.manifest).map((artifact): [string, Named] => [
            `${verified.manifest.version} ${claimsOf(artifact)}`,
            { manifest: verified.manifest, channel, artifact },
          ]),
    ),
  );
}

/**
 * What the mirror serves, or why the manifest is not to be believed about it, whoever serves it;
 * `unread`: its bytes are right, and this disk kept them from being unpacked.
 */
type Found = ArtifactState | { alarm: string } | { unread: string };

async function lookAt(mirror: Mirror, named: Named, options: ReadOptions): Promise<Found> {
  try {
    return await unpackToo(mirror, named, options);
  } catch (error) {
    const { signal } = options;
    signal?.throwIfAborted();
    if (error instanceof ManifestError) return { alarm: error.message };
    if (error instanceof ArchiveError && error.code !== 'ARCHIVE_IO') {
      return { alarm: error.message };
    }
    const isOfDisk = error instanceof ArchiveError || systemCode(error) !== undefined;
    if (!isOfDisk) throw error;
    const { manifest, artifact } = named;
    const found = await checkArtifact(mirror, manifest.version, artifact, { signal });
    const why = describeSystemError(error)?.what ?? messageOf(error);
    return found.state === 'right' ? { unread: why } : found;
  }
}

/** Throws what the disk, the gate and the manifest have against it. */
async function unpackToo(
  mirror: Mirror,
  { manifest, artifact }: Named,
  { gated, scratch, signal }: ReadOptions,
): Promise<ArtifactState> {
  const key = claimsOf(artifact);
  const { O_CREAT, O_NOFOLLOW, O_RDWR, O_TRUNC } = constants;
  const isGated = artifact.artifact === undefined || gated.has(key);
  const fd = isGated
    ? undefined
    : openSync(scratch, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
  try {
    const found = await checkArtifact(mirror, manifest.version, artifact, { copyTo: fd, signal });
    if (found.state !== 'right') return found;
    if (fd !== undefined && !gated.has(key)) {
      gated.set(key, gateArtifact(fd, artifact, { scratch: `${scratch}.content`, signal }));
    }
    await gated.get(key);
    return found;
  } finally {
    if (fd !== undefined) closeSync(fd);
    rmSync(scratch, { force: true });
  }
}

function unreadOf(mirror: Mirror, what: string, why: string, fixes: Fixes): Finding {
  return {
    mirror: mirror.name,
    code: 'NOT_UNPACKED',
    severity: 'warning',
    message: `what ${what} unpacks to was not looked at: '${tmpdir()}': ${why}`,
    fix: fixes.audit(),
  };
}

function alarmOf(
  mirror: Mirror,
  { manifest, channel, artifact }: Named,
  alarm: string,
  fixes: Fixes,
): Finding {
  return {
    mirror: mirror.name,
    code: 'CONTRADICTION',
    severity: 'alarm',
    message: `what was signed of '${artifact.file}' of release ${manifest.version} is not so: ${alarm}`,
    fix: fixes.halt(manifest.version, channel),
  };
}
