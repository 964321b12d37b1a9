/**
 * Brings a release to exactly one asset of a name, with the right bytes.
 *
 * Gitea does not keep names unique and gives no digest, and the answer to an
 * upload may be lost after the upload took effect. So: look first, believe an
 * asset only after it was downloaded and hashed, upload only when no asset is
 * right, and delete the others only when one is. Another machine may upload the
 * same at the same time: of several that are right both keep the oldest. A crash
 * at any point leaves assets that the next run looks at in the same way.
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

/** Where an asset belongs. A release may have several of one name until it is settled. */
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
  const known: Verdicts = new Map();
  const before = await findGood(target, await namesakes(target, options), options, known);
  if (before === undefined) await uploadNew(target, path, options, sending, known);
  // Another machine may have uploaded it as well: what it keeps is not for us to delete.
  const all = await namesakes(target, options);
  const good = await findGood(target, all, options, known);
  if (good === undefined) throw nothingGood(target, all.length);
  options.onProgress?.(options.size);
  await removeOthers(target, all, good, options);
}

/** By asset's id, whether it has the right bytes. */
type Verdicts = Map<number, boolean>;

/** The oldest first. */
async function namesakes(
  { api, releaseId, file }: AssetTarget,
  options: UploadOptions,
): Promise<GiteaAsset[]> {
  const all = await api.assets(releaseId, options);
  return all.filter((each) => each.name === file).toSorted((a, b) => a.id - b.id);
}

/** The first of `assets` that has the right bytes. Those of `known` are not read again. */
async function findGood(
  target: AssetTarget,
  assets: readonly GiteaAsset[],
  options: UploadOptions,
  known: Verdicts,
): Promise<GiteaAsset | undefined> {
  for (const asset of assets) {
    const isRight =
      known.get(asset.id) ??
      (asset.size === options.size && (await digestOf(target, asset, options)) === options.sha256);
    known.set(asset.id, isRight);
    if (isRight) return asset;
  }
  return undefined;
}

/** Notes the new asset as right, unless it is gone again. Throws `MirrorError` BAD_ANSWER when it came out wrong. */
async function uploadNew(
  target: AssetTarget,
  path: string,
  options: UploadOptions,
  { bounds, bandwidth }: Sending,
  known: Verdicts,
): Promise<void> {
  const { api, mirror, releaseId, file } = target;
  const form = formOf(mirror, path, options);
  const paced = pace(form.chunks, bandwidth, options.signal);
  const body = { ...form, chunks: pace(paced, options.pacer, options.signal) };
  const asset = await api.upload(releaseId, file, body, { ...options, ...bounds });
  crashPoint('mirror-asset-sent');
  const digest = asset.size === options.size ? await digestOf(target, asset, options) : 'unknown';
  if (digest === undefined) return;
  known.set(asset.id, digest === options.sha256);
  if (digest === options.sha256) return;
  throw new MirrorError(
    'BAD_ANSWER',
    mirror,
    `'${file}' came out wrong after its upload: expected ${options.size} bytes, sha256 ${options.sha256}, found ${asset.size} bytes, sha256 ${digest}`,
    {
      hint: "something between us and the server's disk changes bytes; look at proxies and the disk",
    },
  );
}

/** `listed`: how many assets of the name the server tells of. */
function nothingGood({ mirror, file }: AssetTarget, listed: number): MirrorError {
  const others = 'somebody else may be shipping this version, or cleaning up there';
  const [found, hint] =
    listed === 0
      ? ['none', `${others}: run it again when they are done`]
      : [
          `${listed} that cannot be read, or are of other bytes`,
          `look at the server's storage for attachments; or ${others}: run it again then`,
        ];
  return new MirrorError(
    'BAD_ANSWER',
    mirror,
    `'${file}' is not there after its upload: expected an asset of the right bytes, found ${found}`,
    { hint },
  );
}

/** Undefined when it is not there any more. */
async function digestOf(
  { api }: AssetTarget,
  asset: GiteaAsset,
  options: UploadOptions,
): Promise<string | undefined> {
  const { pacer } = options;
  // Several may share the pacer, and none knows of the others.
  const pacedMs = pacer === undefined ? 0 : (options.size / pacer.bytesPerSecond) * 32_000;
  const stream = await orGone(
    api.openAsset(asset.uuid, {
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      maxBytes: options.size,
      deadlineMs: 60_000 + (options.size / READ_BACK_RATE) * 1000 + pacedMs,
      minRate: READ_BACK_RATE,
      rateWindowMs: READ_BACK_WINDOW_MS,
    }),
  );
  if (stream === undefined) return undefined;
  const hash = createHash('sha256');
  for await (const chunk of stream.body) {
    hash.update(chunk);
    await pacer?.take(chunk.length, options.signal);
  }
  return hash.digest('hex');
}

/** What another machine has removed by now is removed. */
async function removeOthers(
  { api, releaseId }: AssetTarget,
  all: readonly GiteaAsset[],
  good: GiteaAsset,
  options: UploadOptions,
): Promise<void> {
  for (const { id } of all) {
    if (id === good.id) continue;
    await orGone(api.deleteAsset(releaseId, id, options));
    crashPoint('mirror-leftover-removed');
  }
}

async function orGone<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof MirrorError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}
