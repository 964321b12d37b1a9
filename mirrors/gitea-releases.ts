/**
 * Which releases a Gitea mirror stores, and removing the artifacts of one. The
 * release itself, with its notes and its tag, stays for people to read. Drafts
 * are left alone: they are publications under way. A crash in the middle of a
 * removal leaves some of the assets, which the next one removes.
 */
import { crashPoint } from '@landfall/cli';
import { isVersion, releaseTag } from '@landfall/manifest';
import type { GiteaApi } from './gitea-api.ts';
import type { StoredRelease } from './mirror.ts';

interface CallOptions {
  signal?: AbortSignal;
}

/** Public releases named after a version that have at least one asset. */
export async function listStored(api: GiteaApi, options: CallOptions): Promise<StoredRelease[]> {
  const stored: StoredRelease[] = [];
  for (const { id, tag_name: tag, draft } of await api.releases(options)) {
    const version = tag.slice(releaseTag('').length);
    if (draft || releaseTag(version) !== tag || !isVersion(version)) continue;
    const files = (await api.assets(id, options)).map(({ name, size }) => ({ file: name, size }));
    if (files.length > 0) stored.push({ version, files });
  }
  return stored;
}

/** Deletes every asset of the version's release. */
export async function removeStored(
  api: GiteaApi,
  version: string,
  options: CallOptions,
): Promise<void> {
  const release = await api.releaseByTag(releaseTag(version), options);
  if (release === undefined) return;
  for (const { id } of await api.assets(release.id, options)) {
    await api.deleteAsset(release.id, id, options);
    crashPoint('mirror-artifact-removed');
  }
}
