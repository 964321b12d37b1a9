/**
 * One channel's index as it travels from mirror to mirror: the very bytes of
 * the manifest and of every signature that counts. Holding one means that the
 * signatures were verified; a signature that does not verify does not travel.
 */
import { indexPath, MAX_MANIFEST_BYTES, signaturePath } from '@landfall/manifest';
import { formatKeyId, MAX_SIGNATURE_FILE_BYTES } from '@landfall/minisign';
import {
  type Authority,
  MAX_SIGNATURES,
  TrustError,
  trustIn,
  type TrustPolicy,
  type VerifiedManifest,
  verifyManifest,
  verifySignatures,
} from '@landfall/trust';
import type { Mirror, ReadOptions } from './mirror.ts';

const DEADLINE_MS = 20_000;

/** Whom to believe about what. */
export interface Believed {
  app: string;
  policy: Authority;
}

/** A channel's manifest with what stands beside it. */
export interface SignedIndex {
  /** Undefined: the default channel. */
  channel: string | undefined;
  verified: VerifiedManifest;
  /** Path on the index branch → bytes, signatures first: a crash between two files leaves an old manifest. */
  files: ReadonlyMap<string, Uint8Array>;
}

/** Reads a file of the index; undefined if it is not there. */
export type ReadIndexFile = (path: string, maxBytes: number) => Promise<Uint8Array | undefined>;

/** The channel's index as a stranger finds it on `mirror`. Undefined when it has none. Throws `TrustError`. */
export async function readSignedIndex(
  mirror: Mirror,
  channel: string | undefined,
  believed: Believed,
  options: Partial<ReadOptions> = {},
): Promise<SignedIndex | undefined> {
  return gatherIndex(channel, believed, (path, maxBytes) =>
    mirror.readIndex(path, { deadlineMs: DEADLINE_MS, ...options, maxBytes }),
  );
}

/** The same from anywhere that `read` reaches. Throws `TrustError` WRONG_CHANNEL for a channel that nobody may sign. */
export async function gatherIndex(
  channel: string | undefined,
  { app, policy: authority }: Believed,
  read: ReadIndexFile,
): Promise<SignedIndex | undefined> {
  const path = indexPath(channel);
  const unverified = await read(path, MAX_MANIFEST_BYTES);
  if (unverified === undefined) return undefined;
  const { policy, channel: name } = trustIn(authority, channel);
  const files = await readSignatures(path, unverified, policy, read);
  const verified = verifyManifest(unverified, [...files.values()], policy, { app, channel: name });
  files.set(path, verified.bytes);
  return { channel, verified, files };
}

/** Every path at which a signature of the file at `path` by a key of the policy may stand. */
export function signatureNames(path: string, policy: TrustPolicy): string[] {
  const keyIds = new Set(policy.keys.map((key) => formatKeyId(key.keyId)));
  return [signaturePath(path), ...[...keyIds].map((keyId) => signaturePath(path, keyId))];
}

/** Whether a key of `policy` made `signature` over these bytes. */
function counts(unverified: Uint8Array, signature: Uint8Array, policy: TrustPolicy): boolean {
  return isSigned(unverified, [signature], { ...policy, threshold: 1 });
}

/** Whether enough keys of `policy` made these signatures over these bytes. */
export function isSigned(
  unverified: Uint8Array,
  signatures: readonly Uint8Array[],
  policy: TrustPolicy,
): boolean {
  try {
    verifySignatures(unverified, signatures, policy);
    return true;
  } catch (error) {
    if (error instanceof TrustError && error.code === 'UNTRUSTED') return false;
    throw error;
  }
}

/** The signatures beside the file at `path` that keys of `policy` made over its bytes, by path; those of `known` are not read again. */
export async function readSignatures(
  path: string,
  unverified: Uint8Array,
  policy: TrustPolicy,
  read: ReadIndexFile,
  known: ReadonlyMap<string, Uint8Array> = new Map(),
): Promise<Map<string, Uint8Array>> {
  const found = new Map(known);
  for (const name of signatureNames(path, policy)) {
    if (found.has(name) || found.size >= MAX_SIGNATURES) continue;
    const text = await read(name, MAX_SIGNATURE_FILE_BYTES);
    if (text !== undefined && counts(unverified, text, policy)) found.set(name, text);
  }
  return found;
}
