/**
 * Puts the manifest together and signs it. The signatures are verified with
 * the configured public keys before anything else sees them.
 */
import { type Manifest, serializeManifest, signaturePath } from '@landfall/manifest';
import {
  formatKeyId,
  publicKeyBase64,
  readSecretKeyFile,
  sameKey,
  type SecretKey,
  sign,
} from '@landfall/minisign';
import { resolve } from 'node:path';
import type { Settings } from '../config.ts';
import type { Decision, Place } from '../decide.ts';
import { ReleaseError } from '../errors.ts';
import { policyOf } from '../load-config.ts';
import { passwordFor } from '../password.ts';
import { need, type Shipment } from '../shipment.ts';
import { type SignedManifest, toSigned } from '../signed.ts';
import { withdrawalFields } from '../withdrawals.ts';

/**
 * Opens every secret key and checks that its public half is configured. Throws
 * `MinisignError`, `ReleaseError` KEY_MISSING, KEY_MISMATCH. Callers destroy the keys.
 */
export async function openKeys(settings: Settings): Promise<SecretKey[]> {
  const { secret, threshold } = settings.keys;
  if (secret.length < threshold) {
    throw new ReleaseError(
      'KEY_MISSING',
      `'keys.secret': expected at least ${threshold} secret key file${threshold === 1 ? '' : 's'}, found ${secret.length}`,
      { hint: "'release keygen' makes one; name its file in the configuration" },
    );
  }
  const trusted = policyOf(settings).keys;
  const keys: SecretKey[] = [];
  for (const file of secret) {
    const path = resolve(settings.directory, file);
    const key = await readSecretKeyFile(path, () => passwordFor(file));
    keys.push(key);
    if (trusted.some((each) => sameKey(each, key.publicKey))) continue;
    throw new ReleaseError(
      'KEY_MISMATCH',
      `secret key '${file}' is ${formatKeyId(key.keyId)}: expected its public key in 'keys.public', found ${trusted.map((each) => formatKeyId(each.keyId)).join(', ')}`,
      { hint: `if it is the right key, add '${publicKeyBase64(key.publicKey)}' to 'keys.public'` },
    );
  }
  return keys;
}

/**
 * The manifest to be signed; `now` becomes `published`. One of a release that
 * was made before differs from its base in nothing but channel, place and times.
 */
export function composeManifest(
  shipment: Shipment,
  decision: Extract<Decision, { place: Place }>,
  now: Date,
): Manifest {
  const { settings, channel } = shipment;
  const { sequence, previous, withdrawn, reasons } = decision.place;
  const expires = new Date(now.getTime() + settings.expiresDays * 86_400_000);
  const times = { published: toSeconds(now), expires: toSeconds(expires) };
  const withdrawals = withdrawalFields(withdrawn, reasons);
  if (decision.kind === 'reissue') {
    const { withdrawnReasons: _, ...base } = decision.base;
    return { ...base, channel, sequence, previous, ...times, ...withdrawals };
  }
  const { updater, from } = settings.requires;
  return {
    schema: 1,
    app: settings.app,
    channel,
    version: shipment.version,
    sequence,
    ...times,
    previous,
    commit: shipment.source?.commit ?? '',
    notes: shipment.notes ?? '',
    components: [...need(shipment.components, 'components')],
    requires: {
      ...(updater === undefined ? {} : { updater }),
      ...(from === undefined ? {} : { from }),
    },
    rollout: { steps: [] },
    ...withdrawals,
  };
}

/** Signs with every key; the first one's signature gets the plain name. */
export function signManifest(
  manifest: Manifest,
  keys: readonly SecretKey[],
  shipment: Shipment,
): SignedManifest {
  const bytes = serializeManifest(manifest);
  const { app, channel, version, sequence } = manifest;
  const trustedComment = `app=${app} channel=${channel} version=${version} sequence=${sequence}`;
  const signatures = new Map<string, string>();
  for (const [index, key] of keys.entries()) {
    const ending = signaturePath('', index === 0 ? undefined : formatKeyId(key.keyId));
    signatures.set(ending, sign(key, bytes, { trustedComment }));
  }
  return toSigned(bytes, signatures, shipment.expected);
}

function toSeconds(time: Date): string {
  return time.toISOString().replace(/\.\d{3}Z$/, 'Z');
}
