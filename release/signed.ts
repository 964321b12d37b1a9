/**
 * A manifest together with its signatures, the way it travels: from the
 * working folder to mirrors, from one mirror to the others. Holding one means
 * that the signatures were verified with the configured public keys.
 */
import { indexPath, MAX_MANIFEST_BYTES, signaturePath } from '@landfall/manifest';
import { formatKeyId, MAX_SIGNATURE_FILE_BYTES } from '@landfall/minisign';
import type { Mirror } from '@landfall/mirrors';
import { type TrustPolicy, type VerifiedManifest, verifyManifest } from '@landfall/trust';

/** A manifest that enough keys have signed, and the signatures themselves. */
export interface SignedManifest {
  readonly verified: VerifiedManifest;
  /** Signature files by the end of their names: `.minisig`, `.<KEYID>.minisig`. */
  readonly signatures: ReadonlyMap<string, string>;
}

/** What a manifest must be to be believed: of this app and channel, and signed by enough keys. */
export interface Expected {
  readonly app: string;
  readonly channel: string;
  readonly policy: TrustPolicy;
}

/** Every name ending under which a signature of one of the policy's keys may stand. */
export function signatureEndings(policy: TrustPolicy): string[] {
  return [
    signaturePath(''),
    ...policy.keys.map((key) => signaturePath('', formatKeyId(key.keyId))),
  ];
}

/** Verifies and puts together. Throws what `verifyManifest` throws. */
export function toSigned(
  unverified: Uint8Array,
  signatures: ReadonlyMap<string, string>,
  expected: Expected,
): SignedManifest {
  const { app, channel, policy } = expected;
  return {
    verified: verifyManifest(unverified, [...signatures.values()], policy, { app, channel }),
    signatures,
  };
}

/**
 * The files of the index, by path on the index branch: signatures first, the
 * manifest last, so that a crash between two plain files leaves the old
 * manifest with signatures that do not fit, which no reader takes.
 */
export function indexFiles(
  signed: SignedManifest,
  channelPath: string | undefined,
): Map<string, Uint8Array> {
  const manifest = indexPath(channelPath);
  const files = new Map<string, Uint8Array>();
  for (const [ending, text] of signed.signatures) {
    files.set(`${manifest}${ending}`, new TextEncoder().encode(text));
  }
  return files.set(manifest, signed.verified.bytes);
}

const INDEX_DEADLINE_MS = 20_000;

/** Reads one channel's manifest from a mirror, anonymously, and verifies it. Undefined when there is none. */
export async function fetchSigned(
  mirror: Mirror,
  channelPath: string | undefined,
  expected: Expected,
  signal?: AbortSignal,
): Promise<SignedManifest | undefined> {
  const path = indexPath(channelPath);
  const limits = (
    maxBytes: number,
  ): { maxBytes: number; deadlineMs: number; signal?: AbortSignal } => ({
    maxBytes,
    deadlineMs: INDEX_DEADLINE_MS,
    ...(signal === undefined ? {} : { signal }),
  });
  const unverified = await mirror.readIndex(path, limits(MAX_MANIFEST_BYTES));
  if (unverified === undefined) return undefined;
  const signatures = new Map<string, string>();
  for (const ending of signatureEndings(expected.policy)) {
    const text = await mirror.readIndex(`${path}${ending}`, limits(MAX_SIGNATURE_FILE_BYTES));
    if (text !== undefined) signatures.set(ending, new TextDecoder().decode(text));
  }
  return toSigned(unverified, signatures, expected);
}
