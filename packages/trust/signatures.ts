/**
 * Counting signatures. A signature that is malformed, by a stranger, or wrong
 * counts nothing and spoils nothing: a mirror that adds rubbish beside a good
 * signature has no veto.
 */
import {
  formatKeyId,
  MinisignError,
  parseSignature,
  sameKey,
  verify,
  type PublicKey,
  type Signature,
} from '@landfall/minisign';
import { TrustError } from './errors.ts';
import { distinctKeys, nameKeys, type TrustPolicy } from './policy.ts';

/** More signatures than this are not looked at: verifying is work that a stranger could ask for. */
export const MAX_SIGNATURES = 32;

/**
 * Who of the policy's keys signed exactly these bytes. Each key counts once,
 * however often it signed or is listed. Throws `TrustError` UNTRUSTED when
 * they are fewer than the threshold, POLICY_INVALID for a senseless policy.
 * `signatureTexts` are whole `.minisig` files.
 */
export function verifySignatures(
  unverified: Uint8Array,
  signatureTexts: readonly (string | Uint8Array)[],
  policy: TrustPolicy,
): { signers: PublicKey[] } {
  const keys = distinctKeys(policy);
  if (signatureTexts.length > MAX_SIGNATURES) {
    throw untrusted(
      keys,
      policy,
      [],
      [`expected at most ${MAX_SIGNATURES} signatures, found ${signatureTexts.length}`],
    );
  }
  const signers = new Set<PublicKey>();
  const problems: string[] = [];
  for (const [index, text] of signatureTexts.entries()) {
    const outcome = findSigner(unverified, text, policy, `signature ${index + 1}`);
    if (typeof outcome === 'string') problems.push(outcome);
    else signers.add(keys.find((key) => sameKey(key, outcome)) ?? outcome);
  }
  const found = keys.filter((key) => signers.has(key));
  if (found.length < policy.threshold) throw untrusted(keys, policy, found, problems);
  return { signers: found };
}

/** The key that made a signature, or why there is none. Every key that goes by the id is tried. */
function findSigner(
  unverified: Uint8Array,
  text: string | Uint8Array,
  policy: TrustPolicy,
  name: string,
): PublicKey | string {
  let signature: Signature;
  try {
    signature = parseSignature(text, name);
  } catch (error) {
    if (error instanceof MinisignError) return error.message;
    throw error;
  }
  const id = formatKeyId(signature.keyId);
  const candidates = policy.keys.filter((key) => formatKeyId(key.keyId) === id);
  if (candidates.length === 0) return `${name}: by ${id}, which is none of the trusted keys`;
  const signer = candidates.find((key) => isBy(key, unverified, signature));
  return signer ?? `${name}: claims to be by ${id} and does not verify over these bytes`;
}

function isBy(key: PublicKey, unverified: Uint8Array, signature: Signature): boolean {
  try {
    verify(unverified, signature, key);
    return true;
  } catch (error) {
    if (error instanceof MinisignError && error.code === 'SIGNATURE_MISMATCH') return false;
    throw error;
  }
}

function untrusted(
  keys: readonly PublicKey[],
  policy: TrustPolicy,
  found: readonly PublicKey[],
  problems: readonly string[],
): TrustError {
  const why = problems.length === 0 ? '' : `; ${problems.slice(0, 3).join('; ')}`;
  const more = problems.length > 3 ? `; and ${problems.length - 3} more` : '';
  return new TrustError(
    'UNTRUSTED',
    `not signed by enough trusted keys: expected ${policy.threshold} of ${keys.length} (${nameKeys(keys)}), found ${found.length} (${nameKeys(found)})${why}${more}`,
    {
      hint: 'do not use it; try another mirror, and if all say this ask the maintainer whether the release keys changed',
    },
  );
}
