/**
 * Fetches one artifact from mirrors that nobody trusts. The bytes go to
 * `<file>.unverified`; the descriptor that is returned is the one that was
 * written and whose every byte was hashed, so nobody can swap the file in
 * between. With digests of its frames it comes from several mirrors at once
 * (`download/frames.ts`), else from one after the other (`download/whole.ts`).
 *
 * A crash, and a download that fails, leave that file. The next one believes
 * nothing of it that it has not hashed again, and fetches the rest.
 */
import { closeSync, constants, fstatSync, openSync, rmSync } from 'node:fs';
import { formatBytes } from '@landfall/cli';
import { MirrorError } from './errors.ts';
import { downloadFrames, fitFrames } from './download/frames.ts';
import { type Attempt, type Download, type DownloadOptions, hintOf } from './download/options.ts';
import { downloadWhole } from './download/whole.ts';
import type { Mirror } from './mirror.ts';

export type { Download, DownloadOptions } from './download/options.ts';

/**
 * Downloads from `mirrors`, which stand in the order of preference. One that
 * fails is named in `failed` and left; one that was only too slow or was cut
 * off is asked again when no other could serve the rest. Throws `MirrorError`
 * when none could, the reason of `signal`, and the disk's own error when the
 * disk did not take it; `to` is gone in the last case, and when there is
 * nothing in it that is worth going on from.
 */
export async function downloadArtifact(
  mirrors: readonly Mirror[],
  options: DownloadOptions,
): Promise<Download> {
  const fd = openTarget(options.to);
  const failed: Download['failed'] = [];
  const attempt: Attempt = {
    mirrors,
    fd,
    options,
    fail: (mirror, error) => {
      failed.push({ mirror: mirror.name, error });
      options.onMirrorFailed?.(mirror.name, error);
    },
    reach: (bytes) => options.onHere?.(bytes, fd),
  };
  try {
    const frames = fitFrames(options);
    const served = await (frames === undefined
      ? downloadWhole(attempt)
      : downloadFrames(attempt, frames));
    if (served === undefined) throw noneServes(options, failed);
    return { ...served, fd, failed };
  } catch (error) {
    const told = error instanceof MirrorError || options.signal?.aborted === true;
    const keep = told && fstatSync(fd).size > 0;
    closeSync(fd);
    if (!keep) rmSync(options.to, { force: true });
    throw error;
  }
}

/** Opens or makes the file. What is not a regular file (a device, a fifo), or has another name too, is neither written nor removed. */
function openTarget(to: string): number {
  const { O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDWR } = constants;
  const fd = openSync(to, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
  const info = fstatSync(fd);
  if (info.isFile() && info.nlink === 1) return fd;
  closeSync(fd);
  const what = info.isFile() ? 'it has another name too' : 'it is not a regular file';
  throw new MirrorError('CONFIG', '', `cannot download to '${to}': ${what}`, {
    hint: 'name another place, or move away what stands there',
  });
}

function noneServes(options: DownloadOptions, failed: Download['failed']): MirrorError {
  const what = `'${options.file}' (${formatBytes(options.size)})`;
  const hint = hintOf(options);
  // Of a mirror that was asked again, the last word.
  const last = new Map(failed.map(({ mirror, error }) => [mirror, error]));
  const errors = [...last.values()];
  const [first] = errors;
  if (first === undefined) {
    return new MirrorError('NOT_FOUND', '', `no mirror to download ${what} from`, { hint });
  }
  if (errors.length === 1) return first;
  const reasons = errors.map(({ message }) => message).join('; ');
  return new MirrorError('UNREACHABLE', '', `no mirror could serve ${what}: ${reasons}`, {
    hint,
    cause: errors.at(-1),
  });
}
