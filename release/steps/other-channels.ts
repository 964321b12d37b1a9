/**
 * Git mirrors get their index as one commit, made on top of the newest head,
 * so it brings along the manifests of all other channels. A mirror that was
 * down when another channel was shipped must not get a manifest whose
 * artifacts it lacks. Changes nothing.
 */
import { execa } from 'execa';
import { OtaError } from '@landfall/errors';
import { artifactsOf, indexPath, type Manifest, MAX_MANIFEST_BYTES } from '@landfall/manifest';
import type { IndexUpdate, WritableMirror } from '@landfall/mirrors';
import { ReleaseError } from '../errors.ts';
import type { Shipment } from '../shipment.ts';
import { signatureEndings, toSigned } from '../signed.ts';

/** A manifest of another channel that the commit holds. */
export interface OtherChannel {
  /** On the index branch. */
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
}

const STAT_DEADLINE_MS = 20_000;

/** The other channels' manifests in the commit of `update`; those that nobody would believe are left out. */
export async function otherChannels(
  update: IndexUpdate,
  shipment: Shipment,
): Promise<OtherChannel[]> {
  const { commit } = update;
  if (commit === undefined) return [];
  const own = indexPath(shipment.channelPath);
  const listing = await git(commit.repository, ['ls-tree', '-r', '-z', '--name-only', commit.id]);
  const names = new TextDecoder().decode(listing).split('\0');
  const found: OtherChannel[] = [];
  for (const path of names) {
    const match = /^releases\/(?:([^/]+)\/)?manifest\.json$/.exec(path);
    if (match === null || path === own) continue;
    const read = (name: string): Promise<Uint8Array> =>
      git(commit.repository, ['cat-file', 'blob', `${commit.id}:${name}`]);
    const signatures = new Map<string, string>();
    for (const ending of signatureEndings(shipment.expected.policy)) {
      if (!names.includes(`${path}${ending}`)) continue;
      signatures.set(ending, new TextDecoder().decode(await read(`${path}${ending}`)));
    }
    const channel = match[1] ?? shipment.settings.channel;
    try {
      const bytes = await read(path);
      const { verified } = toSigned(bytes, signatures, { ...shipment.expected, channel });
      found.push({ path, bytes, manifest: verified.manifest });
    } catch (error) {
      if (!(error instanceof OtaError)) throw error;
    }
  }
  return found;
}

/** Throws `ReleaseError` OTHER_CHANNEL when the commit would name artifacts that a git mirror lacks. */
export async function requireOtherChannels(
  mirror: WritableMirror,
  others: readonly OtherChannel[],
  signal: AbortSignal,
): Promise<void> {
  if (mirror.indexBranch === undefined) return;
  for (const { path, bytes, manifest } of others) {
    const limits = { deadlineMs: STAT_DEADLINE_MS, signal };
    const served = await mirror.readIndex(path, { ...limits, maxBytes: MAX_MANIFEST_BYTES });
    if (served !== undefined && Buffer.from(served).equals(bytes)) continue;
    for (const { file, size } of artifactsOf(manifest)) {
      const there = await mirror.statArtifact(manifest.version, file, {
        ...limits,
        maxBytes: size,
      });
      if (there !== undefined && (there.size ?? size) === size) continue;
      throw new ReleaseError(
        'OTHER_CHANNEL',
        `mirror '${mirror.name}': lacks '${file}' of ${manifest.version} (channel ${manifest.channel}), which the shared index names too`,
        {
          hint: `first run: release ship ${manifest.version} --channel ${manifest.channel}; then this again`,
        },
      );
    }
  }
}

async function git(repository: string, args: readonly string[]): Promise<Uint8Array> {
  const result = await execa('git', [`--git-dir=${repository}`, ...args], {
    reject: false,
    stdin: 'ignore',
    encoding: 'buffer',
    // The last newline is part of what was signed.
    stripFinalNewline: false,
    timeout: 60_000,
    maxBuffer: 64 * 1024 * 1024,
  });
  if (result.exitCode === 0) return result.stdout;
  const said = new TextDecoder().decode(result.stderr).split('\n')[0];
  throw new ReleaseError(
    'GIT_FAILED',
    `git cannot read the index commit: ${said === undefined || said === '' ? 'it said nothing' : said}`,
    { hint: `remove '${repository}' and run it again: it is only a cache` },
  );
}
