import { parsePublicKey } from '@landfall/minisign';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isCanonicalPoint, isSmallOrder } from '../../../packages/minisign/small-order.ts';
import {
  addPoints,
  encodePoint,
  L,
  multiplyPoint,
  NEUTRAL,
  P,
  pointOf,
  type Point,
} from '../../harness/edwards.ts';
import { errorOf } from '../../harness/errors.ts';

/** The eight points, from the curve: L times any point leaves its part of small order. */
function smallOrderPoints(): Point[] {
  for (let y = 2n; ; y += 1n) {
    const point = pointOf(y, false);
    if (point === undefined) continue;
    const generator = multiplyPoint(L, point);
    const points = [NEUTRAL];
    for (let next = generator; next.x !== 0n || next.y !== 1n; next = addPoints(next, generator)) {
      points.push(next);
    }
    if (points.length === 8) return points;
  }
}

/** Every 32 bytes that some reader takes for the point: y or y + p, and either sign when x is 0. */
function encodingsOf({ x, y }: Point): Buffer[] {
  const ys = y + P < 2n ** 255n ? [y, y + P] : [y];
  const signs = x === 0n ? [false, true] : [(x & 1n) === 1n];
  return ys.flatMap((each) => signs.map((sign) => encodePoint(each, sign)));
}

const bare = (key: Buffer): string =>
  Buffer.concat([Buffer.from('Ed'), Buffer.alloc(8), key]).toString('base64');

describe('points of small order', () => {
  const encodings = smallOrderPoints().flatMap(encodingsOf);

  it('are eight, in fourteen encodings', () => {
    expect(new Set(encodings.map((each) => each.toString('hex'))).size).toBe(14);
  });

  it.each(encodings.map((each): [string, Buffer] => [each.toString('hex'), each]))(
    '%s is refused as a public key',
    async (_hex, key) => {
      expect(isSmallOrder(key)).toBe(true);
      const error = await errorOf(() => parsePublicKey(bare(key), "public key 'x'"));
      expect(error.code).toBe('KEY_INVALID');
      expect(error.message).toMatch(/^public key 'x': expected .* found a point of small order/);
      expect(error.exit).toBe(2);
    },
  );

  it('are found by their bytes and by nothing near them', () => {
    for (const encoding of encodings) {
      for (let bit = 0; bit < 255; bit += 1) {
        const other = Buffer.from(encoding);
        other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const known = encodings.some((each) => each.equals(other));
        expect(isSmallOrder(other)).toBe(known);
      }
    }
  });
});

describe('encodings that are not canonical', () => {
  it('are all nineteen y from p on, with either sign', async () => {
    for (let y = P; y < 2n ** 255n; y += 1n) {
      for (const key of [encodePoint(y, false), encodePoint(y, true)]) {
        expect(isCanonicalPoint(key)).toBe(false);
        expect((await errorOf(() => parsePublicKey(bare(key)))).code).toBe('KEY_INVALID');
      }
    }
  });

  it('are none below p', () => {
    const field = fc.bigInt({ min: 0n, max: P - 1n });
    fc.assert(
      fc.property(field, fc.boolean(), (y, sign) => {
        expect(isCanonicalPoint(encodePoint(y, sign))).toBe(true);
      }),
      {
        examples: [
          [P - 1n, false],
          [P - 256n, true],
          [0n, false],
        ],
      },
    );
  });
});
