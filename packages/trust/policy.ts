/**
 * Who may sign: a set of keys and how many of them must. Keys are told apart
 * by their 32 bytes. Key ids are labels that anyone may choose: two keys can
 * carry one id, and one key can be listed under two.
 */
import { formatKeyId, sameKey, type PublicKey } from '@landfall/minisign';
import { TrustError } from './errors.ts';

/** A key that is listed twice counts once (`distinctKeys`). */
export interface TrustPolicy {
  keys: readonly PublicKey[];
  /** How many different keys must have signed: at least 1, at most as many as there are. */
  threshold: number;
}

/**
 * The policy's keys without repetitions, in its order. Throws `TrustError`
 * POLICY_INVALID when the threshold does not fit them.
 */
export function distinctKeys(policy: TrustPolicy): PublicKey[] {
  const keys = policy.keys.filter(
    (key, index) => policy.keys.findIndex((other) => sameKey(key, other)) === index,
  );
  if (keys.length === 0) {
    throw new TrustError('POLICY_INVALID', 'public keys: expected at least one, found none', {
      hint: "add the maintainer's public key (RW…) to the configuration",
    });
  }
  const { threshold } = policy;
  if (!Number.isInteger(threshold) || threshold < 1) {
    throw new TrustError(
      'POLICY_INVALID',
      `threshold: expected a whole number of at least 1, found ${threshold}`,
      { hint: 'set how many of the public keys must sign a release; 1 is usual' },
    );
  }
  if (threshold > keys.length) {
    const listed = policy.keys.length === keys.length ? '' : ` (${policy.keys.length} listed)`;
    throw new TrustError(
      'POLICY_INVALID',
      `threshold: expected at most ${keys.length}, the number of different public keys${listed}, found ${threshold}`,
      { hint: 'lower the threshold, or add the public keys that are missing' },
    );
  }
  return keys;
}

/** Key ids for people: `62D99FF519DC540D, 14B7…`. */
export function nameKeys(keys: readonly PublicKey[]): string {
  return keys.length === 0 ? 'none' : keys.map((key) => formatKeyId(key.keyId)).join(', ');
}
