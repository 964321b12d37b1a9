/**
 * How a version's artifacts were built, as it travels with the index: a
 * statement and its signatures. It is the word of who built it, so one key of
 * those that may sign releases is enough. No node decides by it.
 */
import { MAX_MANIFEST_BYTES, provenancePath } from '@landfall/manifest';
import { type TrustPolicy, verifySignatures } from '@landfall/trust';
import type { Mirror, ReadOptions } from './mirror.ts';
import { type ReadIndexFile, readSignatures } from './signed-index.ts';

const DEADLINE_MS = 20_000;

/** A statement that a release key signed. */
export interface SignedProvenance {
  readonly bytes: Uint8Array;
  /** Path on the index branch → bytes: signatures that count, then the statement. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** What `mirror` serves about a version. Undefined when it has nothing. Throws `TrustError` UNTRUSTED. */
export async function readProvenance(
  mirror: Mirror,
  version: string,
  policy: TrustPolicy,
  options: Partial<ReadOptions> = {},
): Promise<SignedProvenance | undefined> {
  return gatherProvenance(version, policy, (path, maxBytes) =>
    mirror.readIndex(path, { deadlineMs: DEADLINE_MS, ...options, maxBytes }),
  );
}

/** The same from anywhere that `read` reaches. */
export async function gatherProvenance(
  version: string,
  policy: TrustPolicy,
  read: ReadIndexFile,
): Promise<SignedProvenance | undefined> {
  const path = provenancePath(version);
  const unverified = await read(path, MAX_MANIFEST_BYTES);
  if (unverified === undefined) return undefined;
  const files = await readSignatures(path, unverified, policy, read);
  verifySignatures(unverified, [...files.values()], { ...policy, threshold: 1 });
  return { bytes: unverified, files: files.set(path, unverified) };
}
