/**
 * Manifests that a directory mirror served before, found by following
 * `previous` from one that was verified: each names the next by its digest, so
 * nothing needs to be listed, and a stranger reads them over plain HTTP too.
 * Each is verified like the one that is served now, or, where a root document
 * says who is believed, by what an earlier one said: its digest is known already.
 */
import { OtaError } from '@landfall/errors';
import { indexPath } from '@landfall/manifest';
import { type Authority, TrustError, type VerifiedManifest } from '@landfall/trust';
import { historyPath } from './layout.ts';
import type { Mirror, ReadOptions } from './mirror.ts';
import {
  type Believed,
  gatherIndex,
  type ReadIndexFile,
  type SignedIndex,
} from './signed-index.ts';

/** So many manifests are followed at most, unless told fewer. */
const MAX_STEPS = 100;
const DEADLINE_MS = 20_000;

/** What the mirror has kept of the chain, each verified, and what broke it. */
export interface Earlier {
  /** Newest first. */
  manifests: VerifiedManifest[];
  /** Why it ended, where the mirror holds something else under the next one's name. */
  problem?: { sequence: number; error: OtaError };
}

async function gatherAny(
  channel: string | undefined,
  { app, policy, before: [next, ...rest] = [] }: Believed & { before?: readonly Authority[] },
  read: ReadIndexFile,
): Promise<SignedIndex | undefined> {
  try {
    return await gatherIndex(channel, { app, policy }, read);
  } catch (error) {
    if (next === undefined || !(error instanceof TrustError)) throw error;
    return gatherAny(channel, { app, policy: next, before: rest }, read);
  }
}

/** Follows the chain below `from`, as far as the mirror has kept it. Never throws for what the mirror does. */
export async function followHistory(
  mirror: Mirror,
  channel: string | undefined,
  from: VerifiedManifest,
  believed: Believed & { before?: readonly Authority[] },
  options: Pick<ReadOptions, 'signal'> & { most?: number } = {},
): Promise<Earlier> {
  const manifests: VerifiedManifest[] = [];
  if (mirror.kind !== 'directory') return { manifests };
  const path = indexPath(channel);
  const { most = MAX_STEPS, ...limits } = options;
  let { previous } = from.manifest;
  while (previous !== null && manifests.length < Math.min(most, MAX_STEPS)) {
    const { sequence, sha256 } = previous;
    const kept = historyPath(path, previous);
    try {
      const read: ReadIndexFile = (name, maxBytes) =>
        mirror.readIndex(`${kept}${name.slice(path.length)}`, {
          deadlineMs: DEADLINE_MS,
          ...limits,
          maxBytes,
        });
      const index = await gatherAny(channel, believed, read);
      // What merely begins with the same digits is not the one.
      if (index?.verified.sha256 !== sha256) return { manifests };
      manifests.push(index.verified);
      previous = index.verified.manifest.previous;
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!(error instanceof OtaError)) throw error;
      return { manifests, problem: { sequence, error } };
    }
  }
  return { manifests };
}
