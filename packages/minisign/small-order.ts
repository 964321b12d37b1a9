/**
 * Points of Ed25519 that must never be believed. With a public key of small
 * order anyone can make signatures that verify for many messages; with two
 * encodings of one point one key could be counted as two. libsodium refuses
 * the same ones (`crypto_sign_verify_detached`). OpenSSL does not, and Node
 * only lately (nodejs/node#64026), so nothing here counts on either.
 *
 * An encoding is 32 bytes: y, little-endian, with the sign of x as the top bit
 * (RFC 8032, section 5.1.2). The field is of order p = 2^255 - 19.
 */

/** y of the points of order 1, 2, 4 (y = 0) and 8, and p and p + 1, which are 0 and 1 again. */
const SMALL_ORDER_Y: ReadonlySet<string> = new Set([
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '0000000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]);

/** Whether 32 bytes encode one of the eight points of small order, in any of their 14 encodings. */
export function isSmallOrder(encoding: Uint8Array): boolean {
  return SMALL_ORDER_Y.has(yOf(encoding).toString('hex'));
}

/** Whether y is below p, so that no other bytes mean the same point. */
export function isCanonicalPoint(encoding: Uint8Array): boolean {
  const y = yOf(encoding);
  if (y[31] !== 0x7f || (y[0] ?? 0) < 0xed) return true;
  return y.subarray(1, 31).some((byte) => byte !== 0xff);
}

/** The encoding without the sign of x. Both signs of a y of small order are of small order. */
function yOf(encoding: Uint8Array): Buffer {
  const y = Buffer.from(encoding);
  y[31] = (y[31] ?? 0) & 0x7f;
  return y;
}
