/**
 * Whether somebody else has published while a publication was under way. Building
 * and uploading may take hours, so what a mirror shows is looked at once more
 * directly before its index is written: a manifest takes the place of nothing, of
 * what nobody believes, and of those that were known when it was decided on or that
 * came before. Any other would be lost. Changes nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ManifestError } from '@landfall/manifest';
import { TrustError, type VerifiedManifest } from '@landfall/trust';
import { MirrorError } from './errors.ts';
import {
  type Believed,
  gatherIndex,
  type ReadIndexFile,
  type SignedIndex,
} from './signed-index.ts';

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
  const found = (await readBelieved(next, read))?.verified;
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

/** What stands there, unless nobody would believe it. */
async function readBelieved(
  next: NextManifest,
  read: ReadIndexFile,
): Promise<SignedIndex | undefined> {
  const { channel, signal } = next;
  try {
    return await gatherIndex(channel, next, read);
  } catch (error) {
    if (!isUnbelieved(error)) throw error;
    // Perhaps somebody is writing there now.
    const options = signal === undefined ? {} : { signal };
    await sleep(REREAD_AFTER_MS, undefined, options).catch(() => signal?.throwIfAborted());
    return gatherIndex(channel, next, read).catch((again: unknown) => {
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
