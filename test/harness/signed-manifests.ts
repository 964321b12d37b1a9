/** Manifests with real signatures, and what trust makes of them. */
import { createHash } from 'node:crypto';
import { serializeManifest, type Manifest } from '@landfall/manifest';
import { sign, type SecretKey } from '@landfall/minisign';
import { verifyManifest, type TrustPolicy, type VerifiedManifest } from '@landfall/trust';
import { exampleManifest } from './manifests.ts';

/** One `.minisig` text over `bytes` for each key, in their order. */
export function signAll(bytes: Uint8Array, keys: readonly SecretKey[]): string[] {
  return keys.map((key) => sign(key, bytes, { trustedComment: 'manifest of a test' }));
}

/** A policy of these keys. */
export function policyOf(keys: readonly SecretKey[], threshold = 1): TrustPolicy {
  return { keys: keys.map((key) => key.publicKey), threshold };
}

/** The example manifest with some fields changed, signed by `key` and verified. */
export function verified(key: SecretKey, changes: Partial<Manifest> = {}): VerifiedManifest {
  const manifest = { ...exampleManifest(), ...changes };
  const bytes = serializeManifest(manifest);
  return verifyManifest(bytes, signAll(bytes, [key]), policyOf([key]), { app: manifest.app });
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
