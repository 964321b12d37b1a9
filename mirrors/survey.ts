/**
 * Asks all mirrors at once what the newest release is. Each has until the
 * deadline; one that is down, slow, stale or lying is a row with its problem
 * and changes nothing for the others. What is returned as verified was signed;
 * whether it is new enough is the caller's to check.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { formatDuration } from '@landfall/cli';
import { OtaError } from '@landfall/errors';
import { indexPath, MAX_MANIFEST_BYTES, signaturePath } from '@landfall/manifest';
import { formatKeyId, MAX_SIGNATURE_FILE_BYTES } from '@landfall/minisign';
import {
  type Authority,
  MAX_SIGNATURES,
  TrustError,
  trustIn,
  type VerifiedManifest,
  verifyManifest,
} from '@landfall/trust';
import { MirrorError } from './errors.ts';
import type { Mirror, ReadLimits, ReadOptions } from './mirror.ts';

/** A mirror that has not told its index by then is left out of this survey. */
const DEADLINE_MS = 15_000;
/** A directory mirror writes manifest and signatures one after the other: so long it may take. */
const REREAD_AFTER_MS = 250;

/** Which channel's manifest, and whom to believe. A mirror has 15 s unless told. */
export interface SurveyOptions {
  app: string;
  /** Undefined: the default channel. */
  channel?: string | undefined;
  policy: Authority;
  /** `deadlineMs` bounds a mirror's whole row, and so the survey. */
  limits?: Partial<ReadLimits>;
  signal?: AbortSignal;
}

/** What one mirror said: a verified manifest, or the problem. */
export interface SurveyRow {
  mirror: Mirror;
  /** Milliseconds until its answer was verified or given up. */
  ms: number;
  verified?: VerifiedManifest;
  problem?: OtaError;
}

/** What all mirrors said together. `best` was signed, and may be old or expired all the same. */
export interface Survey {
  /** In the order of the mirrors. */
  rows: SurveyRow[];
  /**
   * The valid manifest of the highest sequence. Undefined when no mirror has
   * one, and when two different ones share that sequence.
   */
  best: VerifiedManifest | undefined;
  /** Mirrors that serve exactly `best`, fastest first. */
  holders: Mirror[];
  /** Rows with one sequence and different bytes, all validly signed: an alarm. The highest such sequence. */
  equivocation?: SurveyRow[];
}

/** Asks all mirrors. Never throws for what a mirror does; throws the abort reason of `signal`. */
export async function surveyMirrors(
  mirrors: readonly Mirror[],
  options: SurveyOptions,
): Promise<Survey> {
  const rows = await Promise.all(mirrors.map((mirror) => surveyOne(mirror, options)));
  options.signal?.throwIfAborted();
  return concludeSurvey(rows);
}

/** What follows from what mirrors said; a caller that believes a row less than the survey did asks again. */
export function concludeSurvey(rows: SurveyRow[]): Survey {
  const equivocation = findEquivocation(rows);
  const top = Math.max(0, ...rows.map(sequenceOf));
  const torn = equivocation?.some((row) => sequenceOf(row) === top) ?? false;
  const best = torn ? undefined : rows.find((row) => sequenceOf(row) === top)?.verified;
  const holders = rows
    .filter((row) => best !== undefined && row.verified?.sha256 === best.sha256)
    .toSorted((a, b) => a.ms - b.ms)
    .map((row) => row.mirror);
  return { rows, best, holders, ...(equivocation === undefined ? {} : { equivocation }) };
}

function sequenceOf(row: SurveyRow): number {
  return row.verified?.manifest.sequence ?? 0;
}

function findEquivocation(rows: readonly SurveyRow[]): SurveyRow[] | undefined {
  const sequences = new Set(rows.map(sequenceOf).filter((each) => each > 0));
  for (const sequence of [...sequences].toSorted((a, b) => b - a)) {
    const same = rows.filter((row) => sequenceOf(row) === sequence);
    if (new Set(same.map((row) => row.verified?.sha256)).size > 1) return same;
  }
  return undefined;
}

async function surveyOne(mirror: Mirror, options: SurveyOptions): Promise<SurveyRow> {
  const started = performance.now();
  const deadlineMs = options.limits?.deadlineMs ?? DEADLINE_MS;
  const controller = new AbortController();
  const late = new MirrorError(
    'TIMEOUT',
    mirror.name,
    `did not tell its index within ${formatDuration(deadlineMs)}`,
    { hint: 'the mirror or the way to it is too slow; the others are used' },
  );
  const timer = setTimeout(() => controller.abort(late), deadlineMs);
  const signal =
    options.signal === undefined
      ? controller.signal
      : AbortSignal.any([options.signal, controller.signal]);
  try {
    const verified = await readVerified(mirror, options, signal);
    return { mirror, ms: performance.now() - started, verified };
  } catch (error) {
    if (!(error instanceof OtaError)) options.signal?.throwIfAborted();
    const problem = error instanceof OtaError ? error : unexpected(mirror, error);
    return { mirror, ms: performance.now() - started, problem };
  } finally {
    clearTimeout(timer);
    // A read that is still under way must not outlive its row.
    controller.abort(late);
  }
}

async function readVerified(
  mirror: Mirror,
  options: SurveyOptions,
  signal: AbortSignal,
): Promise<VerifiedManifest> {
  try {
    return await readOnce(mirror, options, signal);
  } catch (error) {
    if (!(error instanceof TrustError) || error.code !== 'UNTRUSTED') throw error;
    // Perhaps we read the manifest of one release and the signature of the next.
    await sleep(REREAD_AFTER_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    return await readOnce(mirror, options, signal);
  }
}

async function readOnce(
  mirror: Mirror,
  { app, channel, policy: authority, limits }: SurveyOptions,
  signal: AbortSignal,
): Promise<VerifiedManifest> {
  const path = indexPath(channel);
  const bounds = (maxBytes: number): ReadOptions => ({
    deadlineMs: DEADLINE_MS,
    ...limits,
    maxBytes,
    signal,
  });
  const readSignature = async (keyId?: string): Promise<Uint8Array[]> => {
    const bytes = await mirror.readIndex(
      signaturePath(path, keyId),
      bounds(MAX_SIGNATURE_FILE_BYTES),
    );
    return bytes === undefined ? [] : [bytes];
  };
  const [unverified, first] = await Promise.all([
    mirror.readIndex(path, bounds(limits?.maxBytes ?? MAX_MANIFEST_BYTES)),
    readSignature(),
  ]);
  if (unverified === undefined) {
    throw new MirrorError('NOT_FOUND', mirror.name, `has no '${path}'`, {
      hint: 'nothing was published there yet, or its address is wrong',
    });
  }
  const { policy, channel: name } = trustIn(authority, channel);
  const verify = (signatures: readonly Uint8Array[]): VerifiedManifest =>
    verifyManifest(unverified, signatures, policy, { app, channel: name });
  if (policy.threshold === 1) {
    try {
      return verify(first);
    } catch (error) {
      if (!(error instanceof TrustError) || error.code !== 'UNTRUSTED') throw error;
    }
  }
  const keyIds = policy.keys.slice(0, MAX_SIGNATURES - 1).map((key) => formatKeyId(key.keyId));
  const further = await Promise.all([...new Set(keyIds)].map((keyId) => readSignature(keyId)));
  return verify([...first, ...further.flat()]);
}

/** A fault of ours must not hide the other mirrors' answers. */
function unexpected(mirror: Mirror, cause: unknown): MirrorError {
  return new MirrorError('BAD_ANSWER', mirror.name, `could not be surveyed: ${String(cause)}`, {
    cause,
    hint: 'this is not expected; report it',
  });
}
