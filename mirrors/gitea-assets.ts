/**
 * Brings a release to exactly one asset of a name, with the right bytes.
 *
 * Gitea does not keep names unique and gives no digest, and the answer to an
 * upload may be lost after the upload took effect. So: look first, believe an
 * asset only after it was downloaded and hashed, upload only when no asset is
 * right, and delete the others only when one is. A crash at any point leaves
 * assets that the next run looks at in the same way.
 */
import { createHash } from 'node:crypto';
import { crashPoint } from '@landfall/cli';
import { MirrorError } from './errors.ts';
import type { GiteaApi, GiteaAsset, UploadBounds } from './gitea-api.ts';
import type { UploadOptions } from './mirror.ts';
import { formOf } from './multipart.ts';
import { pace } from './pace.ts';
import type { Bandwidth } from './throttle.ts';

/** Slower than this many bytes a second over 30 s, an asset is not read back. */
const READ_BACK_RATE = 1024;
const READ_BACK_WINDOW_MS = 30_000;

export interface AssetTarget {
  /** The mirror's name. */
  mirror: string;
  api: GiteaApi;
  releaseId: number;
  /** The asset's name. */
  file: string;
}

/** How a form is sent. */
export interface Sending {
  bounds: UploadBounds;
  /** Shared by all uploads to the mirror; undefined for no bound. */
  bandwidth: Bandwidth | undefined;
}

/**
 * One try: afterwards exactly one asset of that name is there, and it is
 * right. Safe to call again after any failure. Throws `MirrorError`.
 */
export async function settleAsset(
  target: AssetTarget,
  path: string,
  options: UploadOptions,
  sending: Sending,
): Promise<void> {
  const good =
    (await findGood(target, options)) ?? (await uploadNew(target, path, options, sending));
  await removeOthers(target, good, options);
}

async function namesakes(
  { api, releaseId, file }: AssetTarget,
  options: UploadOptions,
): Promise<GiteaAsset[]> {
  return (await api.assets(releaseId, options)).filter((each) => each.name === file);
}

/** The first asset of the name that has the right bytes. */
async function findGood(
  target: AssetTarget,
  options: UploadOptions,
): Promise<GiteaAsset | undefined> {
  for (const asset of await namesakes(target, options)) {
    if (asset.size !== options.size) continue;
    if ((await digestOf(target, asset, options)) !== options.sha256) continue;
    options.onProgress?.(options.size);
    return asset;
  }
  return undefined;
}

async function uploadNew(
  target: AssetTarget,
  path: string,
  options: UploadOptions,
  { bounds, bandwidth }: Sending,
): Promise<GiteaAsset> {
  const { api, mirror, releaseId, file } = target;
  const form = formOf(mirror, path, options);
  const paced = pace(form.chunks, bandwidth, options.signal);
  const body = { ...form, chunks: pace(paced, options.pacer, options.signal) };
  const asset = await api.upload(releaseId, file, body, { ...options, ...bounds });
  crashPoint('mirror-asset-sent');
  const digest = asset.size === options.size ? await digestOf(target, asset, options) : undefined;
  if (digest === options.sha256) return asset;
  throw new MirrorError(
    'BAD_ANSWER',
    mirror,
    `'${file}' came out wrong after its upload: expected ${options.size} bytes, sha256 ${options.sha256}, found ${asset.size} bytes, sha256 ${digest ?? 'unknown'}`,
    {
      hint: "something between us and the server's disk changes bytes; look at proxies and the disk",
    },
  );
}

async function digestOf(
  { api }: AssetTarget,
  asset: GiteaAsset,
  options: UploadOptions,
): Promise<string> {
  const { pacer } = options;
  // Several may share the pacer, and none knows of the others.
  const pacedMs = pacer === undefined ? 0 : (options.size / pacer.bytesPerSecond) * 32_000;
  const { body } = await api.openAsset(asset.uuid, {
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    maxBytes: options.size,
    deadlineMs: 60_000 + (options.size / READ_BACK_RATE) * 1000 + pacedMs,
    minRate: READ_BACK_RATE,
    rateWindowMs: READ_BACK_WINDOW_MS,
  });
  const hash = createHash('sha256');
  for await (const chunk of body) {
    hash.update(chunk);
    await pacer?.take(chunk.length, options.signal);
  }
  return hash.digest('hex');
}

async function removeOthers(
  target: AssetTarget,
  good: GiteaAsset,
  options: UploadOptions,
): Promise<void> {
  for (const asset of await namesakes(target, options)) {
    if (asset.id === good.id) continue;
    await target.api.deleteAsset(target.releaseId, asset.id, options);
    crashPoint('mirror-leftover-removed');
  }
}
