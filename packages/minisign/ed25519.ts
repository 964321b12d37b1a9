/**
 * Ed25519 over `node:crypto`, with keys as raw bytes. `KeyObject` takes DER
 * only, so the raw bytes are put behind the fixed DER headers of RFC 8410.
 * Buffers that held a seed are zeroed; OpenSSL clears its own copy when the
 * `KeyObject` is collected.
 */
import {
  createPrivateKey,
  createPublicKey,
  sign as cryptoSign,
  verify as cryptoVerify,
  type KeyObject,
} from 'node:crypto';
import { secretBytes } from './secret-bytes.ts';
import { isCanonicalPoint, isSmallOrder } from './small-order.ts';

/** The private key of RFC 8032, from which the public one comes. */
export const SEED_BYTES = 32;
/** A point of the curve, encoded as in RFC 8032. */
export const PUBLIC_KEY_BYTES = 32;
/** R and S of RFC 8032, 32 bytes each. */
export const SIGNATURE_BYTES = 64;

/** RFC 8410: SEQUENCE { version 0, id-Ed25519, OCTET STRING { OCTET STRING of 32 } }. */
const PKCS8_HEADER = Buffer.from('302e020100300506032b657004220420', 'hex');
/** RFC 8410: SEQUENCE { id-Ed25519, BIT STRING of 32 }. */
const SPKI_HEADER = Buffer.from('302a300506032b6570032100', 'hex');

/** The public key (32 bytes) that belongs to `seed` (32 bytes). */
export function publicKeyOfSeed(seed: Uint8Array): Uint8Array {
  const der = createPublicKey(privateKeyObject(seed)).export({ format: 'der', type: 'spki' });
  return new Uint8Array(der.subarray(SPKI_HEADER.length));
}

/** The signature (64 bytes) of `message` by `seed`; the same every time. */
export function signRaw(seed: Uint8Array, message: Uint8Array): Uint8Array {
  return new Uint8Array(cryptoSign(null, message, privateKeyObject(seed)));
}

/**
 * Whether `signature` (64 bytes) is by the key (32 bytes) over `message`. As
 * strict as libsodium: no key or R of small order, no second encoding of a
 * key, S below the group order (OpenSSL sees to the last).
 */
export function verifyRaw(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (publicKey.length !== PUBLIC_KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false;
  if (isSmallOrder(publicKey) || !isCanonicalPoint(publicKey)) return false;
  if (isSmallOrder(signature.subarray(0, 32))) return false;
  const key = createPublicKey({
    key: Buffer.concat([SPKI_HEADER, publicKey]),
    format: 'der',
    type: 'spki',
  });
  return cryptoVerify(null, message, key, signature);
}

function privateKeyObject(seed: Uint8Array): KeyObject {
  const der = secretBytes(PKCS8_HEADER.length + SEED_BYTES);
  try {
    der.set(PKCS8_HEADER);
    der.set(seed, PKCS8_HEADER.length);
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  } finally {
    der.fill(0);
  }
}
