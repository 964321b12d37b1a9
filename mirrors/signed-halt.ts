/**
 * One channel's halt file as it travels from mirror to mirror, and what all
 * mirrors say about it at once. Holding one means that its signatures were
 * verified. Nothing is decided here: that a mirror has none is an answer, that
 * it cannot be asked or believed is a problem of its row.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { formatDuration } from '@landfall/cli';
import { OtaError } from '@landfall/errors';
import { haltPath, MAX_HALT_BYTES } from '@landfall/manifest';
import { TrustError, trustIn, type VerifiedHalt, verifyHalt } from '@landfall/trust';
import { MirrorError } from './errors.ts';
import type { Mirror } from './mirror.ts';
import { type Believed, readSignatures, type ReadIndexFile } from './signed-index.ts';

/** A mirror that has not told its halt file by then has a problem. */
const DEADLINE_MS = 15_000;
/** A directory mirror writes file and signatures one after the other: so long it may take. */
const REREAD_AFTER_MS = 250;

/** A channel's halt file with what stands beside it. */
export interface SignedHalt {
  verified: VerifiedHalt;
  /** Path on the index branch → bytes, signatures first. */
  files: ReadonlyMap<string, Uint8Array>;
}

/** What one mirror said: a verified halt file, neither (it has none), or the problem. */
export interface HaltRow {
  mirror: Mirror;
  halt?: SignedHalt;
  problem?: OtaError;
}

/** Which channel's halt file, and whom to believe. A mirror has 15 s unless told. */
export interface HaltOptions extends Believed {
  /** Undefined: the default channel. */
  channel: string | undefined;
  signal?: AbortSignal | undefined;
  /** Bounds a mirror's whole row. */
  deadlineMs?: number;
}

/** Asks all mirrors. Never throws for what a mirror does; throws the abort reason of `signal`. */
export async function surveyHalts(
  mirrors: readonly Mirror[],
  options: HaltOptions,
): Promise<HaltRow[]> {
  const rows = await Promise.all(mirrors.map((mirror) => surveyOne(mirror, options)));
  options.signal?.throwIfAborted();
  return rows;
}

/** The valid halt files of the highest serial, one unless somebody signed two. */
export function highestHalts(rows: readonly Pick<HaltRow, 'halt'>[]): SignedHalt[] {
  const halts = new Map(rows.flatMap(({ halt }) => (halt ? [[halt.verified.sha256, halt]] : [])));
  const top = Math.max(0, ...[...halts.values()].map(serialOf));
  return [...halts.values()].filter((each) => serialOf(each) === top);
}

/** Its place among the halt files of its channel. */
export function serialOf({ verified }: SignedHalt): number {
  return verified.halt.serial;
}

/** The channel's halt file as a stranger finds it on `mirror`. Undefined when it has none. Throws `OtaError`. */
export async function readSignedHalt(
  mirror: Mirror,
  { channel, app, policy, deadlineMs = DEADLINE_MS, signal }: HaltOptions,
): Promise<SignedHalt | undefined> {
  const read: ReadIndexFile = (path, maxBytes) =>
    mirror.readIndex(path, { deadlineMs, maxBytes, ...(signal === undefined ? {} : { signal }) });
  return gatherHalt(channel, { app, policy }, read);
}

/** The same from anywhere that `read` reaches. */
export async function gatherHalt(
  channel: string | undefined,
  { app, policy: authority }: Believed,
  read: ReadIndexFile,
): Promise<SignedHalt | undefined> {
  const { policy, channel: name } = trustIn(authority, channel);
  const path = haltPath(channel);
  const unverified = await read(path, MAX_HALT_BYTES);
  if (unverified === undefined) return undefined;
  const files = await readSignatures(path, unverified, policy, read);
  const verified = verifyHalt(unverified, [...files.values()], policy, { app, channel: name });
  return { verified, files: files.set(path, verified.bytes) };
}

async function surveyOne(mirror: Mirror, options: HaltOptions): Promise<HaltRow> {
  const { deadlineMs = DEADLINE_MS } = options;
  const controller = new AbortController();
  const late = new MirrorError(
    'TIMEOUT',
    mirror.name,
    `did not tell its halt file within ${formatDuration(deadlineMs)}`,
    { hint: 'the mirror or the way to it is too slow; the others are used' },
  );
  const timer = setTimeout(() => controller.abort(late), deadlineMs);
  const signals = options.signal === undefined ? [] : [options.signal];
  const signal = AbortSignal.any([...signals, controller.signal]);
  try {
    const halt = await readSteadily(mirror, { ...options, signal });
    return halt === undefined ? { mirror } : { mirror, halt };
  } catch (error) {
    if (error instanceof OtaError) return { mirror, problem: error };
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function readSteadily(
  mirror: Mirror,
  options: HaltOptions & { signal: AbortSignal },
): Promise<SignedHalt | undefined> {
  try {
    return await readSignedHalt(mirror, options);
  } catch (error) {
    if (!(error instanceof TrustError) || error.code !== 'UNTRUSTED') throw error;
    // Perhaps we read one halt file and the signature of the next.
    const { signal } = options;
    await sleep(REREAD_AFTER_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    return await readSignedHalt(mirror, options);
  }
}
