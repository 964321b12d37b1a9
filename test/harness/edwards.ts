/**
 * The curve of Ed25519 in plain big integers (RFC 8032, section 5.1), slow and
 * simple: to check our table of bad points against the curve itself, and to
 * forge the signatures that such points allow.
 */

/** Order of the field. */
export const P = 2n ** 255n - 19n;
/** Order of the group that keys live in. */
export const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const D = mod(-121665n * inverse(121666n));
const SQRT_MINUS_1 = power(2n, (P - 1n) / 4n);

export interface Point {
  x: bigint;
  y: bigint;
}

export const NEUTRAL: Point = { x: 0n, y: 1n };

function mod(value: bigint): bigint {
  return ((value % P) + P) % P;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = mod(base);
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % P;
    square = (square * square) % P;
  }
  return result;
}

function inverse(value: bigint): bigint {
  return power(value, P - 2n);
}

export function addPoints(a: Point, b: Point): Point {
  const product = mod(D * mod(a.x * b.x) * mod(a.y * b.y));
  return {
    x: mod((a.x * b.y + b.x * a.y) * inverse(1n + product)),
    y: mod((a.y * b.y + a.x * b.x) * inverse(1n - product)),
  };
}

export function multiplyPoint(scalar: bigint, point: Point): Point {
  let result = NEUTRAL;
  let double = point;
  for (let rest = scalar; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = addPoints(result, double);
    double = addPoints(double, double);
  }
  return result;
}

/** The point with this y and x of this oddness; y may be p or more. Undefined: there is none. */
export function pointOf(y: bigint, odd: boolean): Point | undefined {
  const ySquared = mod(y * y);
  const square = mod((ySquared - 1n) * inverse(D * ySquared + 1n));
  let x = power(square, (P + 3n) / 8n);
  if (mod(x * x) !== square) x = mod(x * SQRT_MINUS_1);
  if (mod(x * x) !== square) return undefined;
  return { x: (x & 1n) === 1n ? (odd ? x : mod(-x)) : odd ? mod(-x) : x, y: mod(y) };
}

/** 32 bytes: y, little-endian, with `top` as the highest bit. */
export function encodePoint(y: bigint, top: boolean): Buffer {
  return littleEndian(y + (top ? 1n << 255n : 0n));
}

/** A number below 2^256 as 32 bytes. */
export function littleEndian(value: bigint): Buffer {
  const bytes = Buffer.from(value.toString(16).padStart(64, '0'), 'hex');
  return Buffer.from(bytes.toReversed());
}

export function fromLittleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes.toReversed()).toString('hex')}`);
}
