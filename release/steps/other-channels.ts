/**
 * Git mirrors get their index as one commit, made on top of the newest head,
 * so it brings along the manifests of all other channels. A mirror that was
 * down when another channel was shipped must not get a manifest whose
 * artifacts it lacks. Changes nothing.
 */
import { OtaError } from '@landfall/errors';
import { artifactFiles, type Manifest, MAX_MANIFEST_BYTES } from '@landfall/manifest';
import type { IndexUpdate, WritableMirror } from '@landfall/mirrors';
import type { Settings } from '../config.ts';
import { ReleaseError } from '../errors.ts';
import { filesIn, signedIn } from '../index-git.ts';
import { expectedOf } from '../load-config.ts';

/** A manifest of another channel that the commit holds. */
export interface OtherChannel {
  /** On the index branch. */
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
}

const STAT_DEADLINE_MS = 20_000;

/** The manifests in the commit of `update` that stand elsewhere than at `own`; those that nobody would believe are left out. */
export async function otherChannels(
  update: IndexUpdate,
  settings: Settings,
  own: string | undefined,
): Promise<OtherChannel[]> {
  const { commit } = update;
  if (commit === undefined) return [];
  const names = await filesIn(commit.repository, commit.id);
  const found: OtherChannel[] = [];
  for (const path of names) {
    const match = /^releases\/(?:([^/]+)\/)?manifest\.json$/.exec(path);
    if (match === null || path === own) continue;
    const channel = match[1] ?? settings.channel;
    try {
      const expected = expectedOf(settings, channel);
      const { verified } = await signedIn(commit, { path, names, expected });
      found.push({ path, bytes: verified.bytes, manifest: verified.manifest });
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
    for (const { file, size } of artifactFiles(manifest)) {
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
