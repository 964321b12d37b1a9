/**
 * Whether somebody else has published while a publication was under way. Building
 * and uploading may take hours, so what a mirror shows is looked at once more
 * directly before its index is written: a manifest takes the place of nothing, of
 * what nobody believes, and of those that were known when it was decided on or that
 * came before. Any other would be lost. The same holds for halt files. Changes nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ManifestError } from '@landfall/manifest';
import { TrustError, type VerifiedHalt, type VerifiedManifest } from '@landfall/trust';
import { MirrorError } from './errors.ts';
import { gatherHalt, type HaltRow } from './signed-halt.ts';
import { type Believed, gatherIndex, type ReadIndexFile } from './signed-index.ts';

/** A directory mirror writes manifest and signatures one after the other: so long it may take. */
const REREAD_AFTER_MS = 250;

/** A manifest that is to be written. */
export interface NextManifest extends Believed {
  /** Undefined: the default channel. */
  channel: string | undefined;
  verified: VerifiedManifest;
  /** SHA-256 of the manifests that mirrors showed when it was decided on. */
  known: ReadonlySet<string>;
  signal?: AbortSignal | undefined;
}

/**
 * Throws `MirrorError` SUPERSEDED when `next` must not take the place of what `read`
 * finds, and `TrustError` WRONG_APP for the manifest of another app. `mirror` is the
 * mirror's name, or empty.
 */
export async function requireFollows(
  mirror: string,
  next: NextManifest,
  read: ReadIndexFile,
): Promise<void> {
  const found = (await readBelieved(() => gatherIndex(next.channel, next, read), next.signal))
    ?.verified;
  if (found === undefined || found.sha256 === next.verified.sha256) return;
  const { sequence, previous } = next.verified.manifest;
  const after = previous?.sequence ?? 0;
  const { version, sequence: there } = found.manifest;
  if (there <= after || (there < sequence && next.known.has(found.sha256))) return;
  const expected = after === 0 ? 'no release' : `sequence ${after} at most`;
  throw new MirrorError(
    'SUPERSEDED',
    mirror,
    `somebody else has published ${version} meanwhile: expected ${expected}, found sequence ${there}`,
    { hint: 'run it again: it is decided anew' },
  );
}

/** A halt file that is to be written. */
export interface NextHalt extends Believed {
  /** Undefined: the default channel. */
  channel: string | undefined;
  halt: Pick<VerifiedHalt, 'halt' | 'sha256'>;
  /** What mirrors showed when it was decided on. */
  rows: readonly HaltRow[];
  /** SHA-256 of those that were made here: one of them is nobody else's. */
  own?: ReadonlySet<string>;
  signal?: AbortSignal | undefined;
}

/** As `requireFollows`, for a halt file. */
export async function requireHaltFollows(
  mirror: string,
  next: NextHalt,
  read: ReadIndexFile,
): Promise<void> {
  const { sha256, halt } = next.halt;
  const found = (await readBelieved(() => gatherHalt(next.channel, next, read), next.signal))
    ?.verified;
  if (found === undefined || found.sha256 === sha256) return;
  // What is not called so is not of this channel.
  if (found.halt.channel !== halt.channel) return;
  const known = next.rows.flatMap((row) => row.halt?.verified ?? []);
  const serials = known.map((each) => each.halt.serial).filter((each) => each < halt.serial);
  const after = Math.max(0, ...serials);
  const { serial } = found.halt;
  if (serial <= after || (serial < halt.serial && next.own?.has(found.sha256) === true)) return;
  const expected = after === 0 ? 'none' : `serial ${after} at most`;
  throw new MirrorError(
    'SUPERSEDED',
    mirror,
    `somebody else has published a halt file meanwhile: expected ${expected}, found serial ${serial}`,
    { hint: 'run it again: it is decided anew' },
  );
}

/** What `gather` finds, unless nobody would believe it. */
async function readBelieved<T>(
  gather: () => Promise<T | undefined>,
  signal: AbortSignal | undefined,
): Promise<T | undefined> {
  try {
    return await gather();
  } catch (error) {
    if (!isUnbelieved(error)) throw error;
    // Perhaps somebody is writing there now.
    const options = signal === undefined ? {} : { signal };
    await sleep(REREAD_AFTER_MS, undefined, options).catch(() => signal?.throwIfAborted());
    return gather().catch((again: unknown) => {
      if (isUnbelieved(again)) return undefined;
      throw again;
    });
  }
}

function isUnbelieved(error: unknown): boolean {
  if (error instanceof ManifestError) return true;
  if (error instanceof TrustError) return ['UNTRUSTED', 'WRONG_CHANNEL'].includes(error.code);
  return error instanceof MirrorError && ['TOO_LARGE', 'BAD_ANSWER'].includes(error.code);
}
