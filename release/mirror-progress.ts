/**
 * What is known about each mirror while a release is shipped. A mirror that
 * fails is left out from there on and reported at the end; it never stops the
 * others.
 */
import { formatDuration, timerMs } from '@landfall/cli';
import { messageOf, OtaError } from '@landfall/errors';
import { MirrorError, withoutName, type WritableMirror } from '@landfall/mirrors';

/** How far this run has come with one mirror. */
export interface MirrorProgress {
  readonly mirror: WritableMirror;
  /** Artifacts that were read back anonymously, hashed and gated. */
  readonly held: Set<string>;
  /** Its index was read back anonymously and verified. */
  indexed: boolean;
  /** Bytes sent in this run. */
  sent: number;
  /** Why it is left out, and what was being done. */
  failure: { doing: string; error: OtaError } | undefined;
}

/** The beginning of a run: nothing is proven of any mirror, and none has failed. */
export function startProgress(mirrors: readonly WritableMirror[]): MirrorProgress[] {
  return mirrors.map((mirror) => ({
    mirror,
    held: new Set<string>(),
    indexed: false,
    sent: 0,
    failure: undefined,
  }));
}

/** Those that have not failed. */
export function alive(mirrors: readonly MirrorProgress[]): MirrorProgress[] {
  return mirrors.filter((each) => each.failure === undefined);
}

/** Marks a mirror as failed; the first failure stays. */
export function fail(progress: MirrorProgress, doing: string, error: unknown): void {
  progress.failure ??= { doing, error: error instanceof OtaError ? error : unexpected(error) };
}

/** How long all wait for the slowest: `ms` after `quorum` mirrors were done. */
export interface Patience {
  readonly quorum: number;
  readonly ms: number;
}

/**
 * Runs `act` for every mirror that has not failed, all at once. What one
 * throws becomes its failure; only an abort of `signal` ends them all. With
 * `patience`, those that are not done in time are told to stop, by the signal
 * that `act` gets, and have failed.
 */
export async function onEach(
  mirrors: readonly MirrorProgress[],
  doing: string,
  signal: AbortSignal,
  act: (progress: MirrorProgress, signal: AbortSignal) => Promise<void>,
  patience?: Patience,
): Promise<void> {
  const late = new AbortController();
  const either = AbortSignal.any([signal, late.signal]);
  let timer: NodeJS.Timeout | undefined;
  let done = 0;
  const one = async (progress: MirrorProgress): Promise<void> => {
    try {
      await act(progress, either);
      done += 1;
      if (patience === undefined || done < patience.quorum) return;
      timer ??= setTimeout(() => late.abort(), timerMs(patience.ms));
    } catch (error) {
      signal.throwIfAborted();
      const isLate = late.signal.aborted && patience !== undefined;
      fail(progress, doing, isLate ? tooLate(progress, patience) : error);
    }
  };
  try {
    await Promise.all(alive(mirrors).map(one));
  } finally {
    clearTimeout(timer);
  }
}

function tooLate({ mirror: { name } }: MirrorProgress, { quorum, ms }: Patience): MirrorError {
  return new MirrorError(
    'TOO_SLOW',
    name,
    `was not done ${formatDuration(ms)} after ${quorum} others: left to 'mirrors sync'`,
    {
      hint: `'mirrors sync --to ${name}' completes it; 'patience' in the configuration gives it more time`,
    },
  );
}

/** Why a mirror failed, without its name, which stands before it wherever this is shown. */
export function failureText({ mirror, failure }: MirrorProgress): string {
  return withoutName(failure?.error.message ?? '', mirror.name);
}

function unexpected(error: unknown): OtaError {
  return new OtaError('INTERNAL', messageOf(error), {
    cause: error,
    hint: 'this is not expected; run it again with --debug and report what it prints',
  });
}
