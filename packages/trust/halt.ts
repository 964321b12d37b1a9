/**
 * Whether a halt file is to be believed. It is signed by those who sign the
 * channel's manifests. It does not end: a halt that is not seen is nobody's
 * safety, one that is seen holds until a higher serial takes its place.
 */
import { createHash } from 'node:crypto';
import { parseHalt, type Halt } from '@landfall/manifest';
import { formatKeyId } from '@landfall/minisign';
import type { TrustPolicy } from './policy.ts';
import { verifySignatures } from './signatures.ts';
import { checkSubject, type Subject } from './subject.ts';

/** A halt file whose signatures were verified, and the very bytes they are over. */
export interface VerifiedHalt {
  readonly halt: Halt;
  readonly bytes: Uint8Array;
  /** SHA-256 of `bytes`, in hex. */
  readonly sha256: string;
  /** Key ids of those who signed, in the policy's order. */
  readonly signers: string[];
}

/**
 * Verifies, then parses, then compares, as `verifyManifest` does. Throws
 * `TrustError` UNTRUSTED, POLICY_INVALID, `ManifestError` HALT_INVALID,
 * HALT_SCHEMA, `TrustError` WRONG_APP, WRONG_CHANNEL.
 */
export function verifyHalt(
  unverified: Uint8Array,
  signatureTexts: readonly (string | Uint8Array)[],
  policy: TrustPolicy,
  expected: Subject,
): VerifiedHalt {
  // A copy, so that what is returned stays what was verified.
  const bytes = Uint8Array.from(unverified);
  const { signers } = verifySignatures(bytes, signatureTexts, policy);
  const halt = parseHalt(bytes);
  checkSubject('halt file', halt, expected);
  return {
    halt,
    bytes,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    signers: signers.map((key) => formatKeyId(key.keyId)),
  };
}
