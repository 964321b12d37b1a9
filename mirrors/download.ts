/**
 * Fetches one artifact from the first mirror that serves it whole and right.
 * The bytes go to `<file>.unverified`, hashed as they are written; the
 * descriptor that is returned is the one that was written, so nobody can swap
 * the file in between. A crash leaves that file, which the next download
 * begins anew.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { formatBytes } from '@landfall/cli';
import { MirrorError } from './errors.ts';
import type { Mirror, ReadLimits } from './mirror.ts';

/** While other mirrors remain: given up below this many bytes a second over 10 s. */
const IMPATIENT_RATE = 32 * 1024;
const IMPATIENT_WINDOW_MS = 10_000;
/** On the last mirror left: given up below this many bytes a second over a minute. */
const PATIENT_RATE = 256;
const PATIENT_WINDOW_MS = 60_000;
const GRACE_MS = 60_000;
/** However large it is: a mirror that only just keeps the rate up holds nobody for longer. */
const LONGEST_MS = 24 * 3_600_000;

export interface DownloadOptions {
  version: string;
  file: string;
  /** Bytes, from the signed manifest. */
  size: number;
  /** In hex, from the signed manifest. */
  sha256: string;
  /** Path of `<file>.unverified`; made, or emptied. */
  to: string;
  /** Bounds while other mirrors remain, where they differ from the defaults. */
  limits?: Partial<Omit<ReadLimits, 'maxBytes'>>;
  /** Bounds on the last mirror, where they differ from the defaults. */
  patientLimits?: Partial<Omit<ReadLimits, 'maxBytes'>>;
  /** Called with the bytes of this attempt so far; falls back to 0 with a new mirror. */
  onProgress?: (bytes: number, mirror: string) => void;
  onMirrorFailed?: (mirror: string, error: MirrorError) => void;
  signal?: AbortSignal;
}

export interface Download {
  /** The mirror that served it. */
  mirror: string;
  /** Open for reading and writing, positioned reads; the caller closes it. */
  fd: number;
  /** Mirrors that were tried and left, in order. */
  failed: { mirror: string; error: MirrorError }[];
}

/**
 * Downloads from `mirrors` in their order. A mirror that fails is named in
 * `failed` and left; one that was only too slow is asked again, patiently,
 * when no other could serve it. Throws `MirrorError` when none could, and the
 * disk's own error when the disk did not take it; `to` is then gone.
 */
export async function downloadArtifact(
  mirrors: readonly Mirror[],
  options: DownloadOptions,
): Promise<Download> {
  const fd = openTarget(options.to);
  try {
    const { mirror, failed } = await firstThatServes(mirrors, fd, options);
    return { mirror, fd, failed };
  } catch (error) {
    closeSync(fd);
    rmSync(options.to, { force: true });
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

async function firstThatServes(
  mirrors: readonly Mirror[],
  fd: number,
  options: DownloadOptions,
): Promise<Omit<Download, 'fd'>> {
  const failed: Download['failed'] = [];
  const waiting = mirrors.map((mirror) => ({ mirror, asked: false }));
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { mirror } = next;
    const patient = waiting.every((each) => each.asked);
    try {
      await fetchInto(fd, mirror, options, patient);
      return { mirror: mirror.name, failed };
    } catch (error) {
      if (!(error instanceof MirrorError)) throw error;
      failed.push({ mirror: mirror.name, error });
      options.onMirrorFailed?.(mirror.name, error);
      const slow = error.code === 'TOO_SLOW' || error.code === 'TIMEOUT';
      if (slow && !patient) waiting.push({ mirror, asked: true });
    }
  }
  throw noneServes(options, failed);
}

async function fetchInto(
  fd: number,
  mirror: Mirror,
  options: DownloadOptions,
  patient: boolean,
): Promise<void> {
  const { version, file, size, sha256 } = options;
  const stream = await mirror.openArtifact(version, file, {
    ...limitsOf(options, patient),
    maxBytes: size,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  if (stream === undefined) {
    throw new MirrorError('NOT_FOUND', mirror.name, `has no '${file}' of release ${version}`, {
      hint: `'mirrors status' shows which mirrors are complete`,
    });
  }
  const hash = createHash('sha256');
  let written = 0;
  if (stream.size !== undefined && stream.size !== size) {
    await stream.body.return?.();
    throw wrong(mirror, file, `${size} bytes`, `${stream.size} bytes`);
  }
  ftruncateSync(fd, 0);
  // The loop ends the body when it is left, also by an error.
  for await (const chunk of stream.body) {
    hash.update(chunk);
    writeAll(fd, chunk, written);
    written += chunk.length;
    options.onProgress?.(written, mirror.name);
  }
  if (written !== size) throw wrong(mirror, file, `${size} bytes`, `${written} bytes`);
  const digest = hash.digest('hex');
  if (digest !== sha256) throw wrong(mirror, file, `sha256 ${sha256}`, `sha256 ${digest}`);
}

function limitsOf(options: DownloadOptions, patient: boolean): Omit<ReadLimits, 'maxBytes'> {
  const minRate = patient ? PATIENT_RATE : IMPATIENT_RATE;
  return {
    minRate,
    rateWindowMs: patient ? PATIENT_WINDOW_MS : IMPATIENT_WINDOW_MS,
    deadlineMs: Math.min(LONGEST_MS, GRACE_MS + (options.size / minRate) * 1000),
    ...(patient ? options.patientLimits : options.limits),
  };
}

function writeAll(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;) {
    done += writeSync(fd, bytes, done, bytes.length - done, position + done);
  }
}

function wrong(mirror: Mirror, file: string, expected: string, found: string): MirrorError {
  return new MirrorError(
    'BAD_ANSWER',
    mirror.name,
    `'${file}' is not what was signed: expected ${expected}, found ${found}`,
    { hint: 'the mirror serves wrong or truncated bytes; publish to it again to repair it' },
  );
}

function noneServes(options: DownloadOptions, failed: Download['failed']): MirrorError {
  const what = `'${options.file}' (${formatBytes(options.size)})`;
  const hint = "'mirrors status' shows which mirrors are up and complete";
  const last = failed.at(-1);
  if (last === undefined) {
    return new MirrorError('NOT_FOUND', '', `no mirror to download ${what} from`, { hint });
  }
  if (failed.length === 1) return last.error;
  const reasons = failed.map(({ error }) => error.message).join('; ');
  return new MirrorError('UNREACHABLE', '', `no mirror could serve ${what}: ${reasons}`, {
    hint,
    cause: last.error,
  });
}
