/**
 * From bytes that anyone may have written to a manifest that may be believed.
 * Nothing of the bytes is parsed before their signatures are verified.
 */
import { createHash } from 'node:crypto';
import { parseManifest, type Manifest } from '@landfall/manifest';
import { formatKeyId } from '@landfall/minisign';
import type { TrustPolicy } from './policy.ts';
import { verifySignatures } from './signatures.ts';
import { checkSubject, type Subject } from './subject.ts';

/** A manifest whose signatures were verified, and the very bytes they are over. */
export interface VerifiedManifest {
  readonly manifest: Manifest;
  readonly bytes: Uint8Array;
  /** SHA-256 of `bytes`, in hex. */
  readonly sha256: string;
  /** Key ids of those who signed, in the policy's order. */
  readonly signers: string[];
}

/** Without a channel: the default one, whatever its name. */
export type ExpectedManifest = Subject;

/**
 * Verifies, then parses, then compares:
 *
 * 1. enough trusted keys signed exactly these bytes,
 * 2. the bytes are a manifest of a schema we know,
 * 3. it is of this app,
 * 4. it is of this channel, if one is expected.
 *
 * Throws `TrustError` UNTRUSTED, POLICY_INVALID (1), `ManifestError` (2),
 * `TrustError` WRONG_APP (3), WRONG_CHANNEL (4).
 */
export function verifyManifest(
  unverified: Uint8Array,
  signatureTexts: readonly (string | Uint8Array)[],
  policy: TrustPolicy,
  expected: ExpectedManifest,
): VerifiedManifest {
  // A copy, so that what is returned stays what was verified.
  const bytes = Uint8Array.from(unverified);
  // 1.
  const { signers } = verifySignatures(bytes, signatureTexts, policy);
  // 2.
  const manifest = parseManifest(bytes);
  // 3. and 4.
  checkSubject('manifest', manifest, expected);
  return {
    manifest,
    bytes,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    signers: signers.map((key) => formatKeyId(key.keyId)),
  };
}
