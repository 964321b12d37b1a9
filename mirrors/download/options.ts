/** What a download is told, what it tells, and the bounds of what it asks of a mirror. */
import { MirrorError } from '../errors.ts';
import type { ArtifactStream, ByteSpan, Mirror, ReadLimits } from '../mirror.ts';

/** While other mirrors remain: given up below this many bytes a second over 10 s. */
const IMPATIENT_RATE = 32 * 1024;
const IMPATIENT_WINDOW_MS = 10_000;
/** On the last mirror left: given up below this many bytes a second over a minute. */
const PATIENT_RATE = 256;
const PATIENT_WINDOW_MS = 60_000;
const GRACE_MS = 60_000;
/** However large it is: a mirror that only just keeps the rate up holds nobody for longer. */
const LONGEST_MS = 24 * 3_600_000;

/** The file as it was signed, where it goes, and how slow a mirror may be. */
export interface DownloadOptions {
  version: string;
  file: string;
  /** Bytes, from the signed manifest. */
  size: number;
  /** In hex, from the signed manifest. */
  sha256: string;
  /** Consecutive ranges of the file, from the signed manifest, if it tells them. */
  frames?: readonly { size: number; sha256: string }[] | undefined;
  /** Path of `<file>.unverified`; made, or gone on from. */
  to: string;
  /** Bounds while other mirrors remain, where they differ from the defaults. */
  limits?: Partial<Omit<ReadLimits, 'maxBytes'>>;
  /** Bounds on the last mirror, where they differ from the defaults. */
  patientLimits?: Partial<Omit<ReadLimits, 'maxBytes'>>;
  /** Called with the bytes that are here so far, and who sent the last; may fall back when a mirror is left. */
  onProgress?: (bytes: number, mirror: string) => void;
  onMirrorFailed?: (mirror: string, error: MirrorError) => void;
  /**
   * Called with how many bytes from its start are here and right, when there are more, and with
   * the descriptor that they were written to. Where only the whole is signed that is never known before the end.
   */
  onHere?: (bytes: number, fd: number) => void;
  /** What to do about mirrors that do not serve it; for who has the configuration of `mirrors` unless told. */
  hint?: string;
  signal?: AbortSignal;
}

/** The whole file, all of it checked against what was signed, and who it came from. */
export interface Download {
  /** The mirror that served it, or most of it; undefined when all of it was here. */
  mirror: string | undefined;
  /** Open for reading and writing, positioned reads; the caller closes it. */
  fd: number;
  /** Mirrors that were tried and left, in order. */
  failed: { mirror: string; error: MirrorError }[];
}

/** Who served a file, or most of it; undefined when all of it was here. */
export type Served = Pick<Download, 'mirror'>;

/** One call of `downloadArtifact`. */
export interface Attempt {
  mirrors: readonly Mirror[];
  fd: number;
  options: DownloadOptions;
  /** A mirror is left. */
  fail: (mirror: Mirror, error: MirrorError) => void;
  /** So many bytes from the start are right. */
  reach: (bytes: number) => void;
}

/**
 * Opens the artifact at a mirror, or `span` of it, under the bounds of a
 * patient or an impatient read. Throws `MirrorError` NOT_FOUND, and BAD_ANSWER
 * for a file that is said to be of another size than was signed.
 */
export async function openAt(
  mirror: Mirror,
  { options }: Attempt,
  how: { patient: boolean; span?: ByteSpan | undefined; signal?: AbortSignal | undefined },
): Promise<ArtifactStream> {
  const { version, file, size } = options;
  const { patient, span } = how;
  const signal = how.signal ?? options.signal;
  const stream = await mirror.openArtifact(version, file, {
    ...limitsOf(options, patient, span === undefined ? size : span.end - span.start),
    maxBytes: size,
    ...(span === undefined ? {} : { span }),
    ...(signal === undefined ? {} : { signal }),
  });
  if (stream === undefined) {
    throw new MirrorError('NOT_FOUND', mirror.name, `has no '${file}' of release ${version}`, {
      hint: hintOf(options),
    });
  }
  if (stream.size === undefined || stream.size === size) return stream;
  await stream.body.return?.();
  throw wrong(mirror, file, `${size} bytes`, `${stream.size} bytes`);
}

function limitsOf(
  options: DownloadOptions,
  patient: boolean,
  bytes: number,
): Omit<ReadLimits, 'maxBytes'> {
  const minRate = patient ? PATIENT_RATE : IMPATIENT_RATE;
  return {
    minRate,
    rateWindowMs: patient ? PATIENT_WINDOW_MS : IMPATIENT_WINDOW_MS,
    deadlineMs: Math.min(LONGEST_MS, GRACE_MS + (bytes / minRate) * 1000),
    ...(patient ? options.patientLimits : options.limits),
  };
}

/** What to do when a mirror does not have the file, or none serves it. */
export function hintOf({ hint }: DownloadOptions): string {
  return hint ?? "'mirrors status' shows which mirrors are up and complete";
}

/** The error of bytes that are not those that were signed. */
export function wrong(mirror: Mirror, file: string, expected: string, found: string): MirrorError {
  return new MirrorError(
    'BAD_ANSWER',
    mirror.name,
    `'${file}' is not what was signed: expected ${expected}, found ${found}`,
    { hint: 'the mirror serves wrong or truncated bytes; publish to it again to repair it' },
  );
}

/** Whether a mirror was left for being slow. */
export function isSlow({ code }: MirrorError): boolean {
  return code === 'TOO_SLOW' || code === 'TIMEOUT';
}
