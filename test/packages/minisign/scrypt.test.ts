import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DEFAULT_MEMLIMIT,
  DEFAULT_OPSLIMIT,
  deriveKeyStream,
  MAX_MEMLIMIT,
  MAX_OPSLIMIT,
  pickScryptParameters,
} from '../../../packages/minisign/scrypt.ts';
import { errorOf } from '../../harness/errors.ts';

/** The file says how they were made. */
const vectors = JSON.parse(
  readFileSync(new URL('../../vectors/libsodium-scrypt.json', import.meta.url), 'utf8'),
) as {
  password: string;
  salt: string;
  keys: { opslimit: number; memlimit: number; key: string }[];
};

const limit = (max: bigint): fc.Arbitrary<bigint> => fc.bigInt({ min: 0n, max });

describe('deriveKeyStream', () => {
  it.each(vectors.keys)(
    'makes what libsodium made for opslimit $opslimit, memlimit $memlimit',
    async ({ opslimit, memlimit, key }) => {
      const stream = await deriveKeyStream(
        Buffer.from(vectors.password),
        Buffer.from(vectors.salt, 'hex'),
        { opslimit: BigInt(opslimit), memlimit: BigInt(memlimit) },
        64,
        'key',
      );
      expect(stream.toString('hex')).toBe(key);
    },
  );

  it.each<[string, bigint, bigint, string]>([
    ['more work than the bound', MAX_OPSLIMIT + 1n, 1n << 24n, 'opslimit of at most 268435456'],
    ['all the work there is', 2n ** 64n - 1n, 1n << 24n, 'opslimit'],
    ['more memory than the bound', DEFAULT_OPSLIMIT, MAX_MEMLIMIT + 1n, 'memlimit of at most'],
    ['all the memory there is', DEFAULT_OPSLIMIT, 2n ** 64n - 1n, 'memlimit'],
    ['much work with little memory: 4 GiB of blocks', MAX_OPSLIMIT, 0n, 'fit each other'],
  ])('refuses a file that asks for %s, at once', async (_, opslimit, memlimit, text) => {
    const started = performance.now();
    const error = await errorOf(() =>
      deriveKeyStream(Buffer.from('pw'), Buffer.alloc(32), { opslimit, memlimit }, 64, "key 'k'"),
    );
    expect(performance.now() - started).toBeLessThan(1000);
    expect(error.code).toBe('KEY_INVALID');
    expect(error.message).toContain("key 'k': expected");
    expect(error.message).toContain(text);
    expect(error.hint).toBeDefined();
    expect(error.exit).toBe(2);
  });
});

describe('pickScryptParameters', () => {
  it("maps minisign's default to N = 2^20, r = 8, p = 1", () => {
    const limits = { opslimit: DEFAULT_OPSLIMIT, memlimit: DEFAULT_MEMLIMIT };
    expect(pickScryptParameters(limits)).toEqual({ N: 2 ** 20, r: 8, p: 1 });
  });

  it('stays within both limits, whatever they are', () => {
    fc.assert(
      fc.property(limit(MAX_OPSLIMIT), limit(MAX_MEMLIMIT), (opslimit, memlimit) => {
        const { N, r, p } = pickScryptParameters({ opslimit, memlimit });
        const [ops, memory] = [
          Math.max(Number(opslimit), 32_768),
          Math.max(Number(memlimit), 2048),
        ];
        expect(Number.isInteger(Math.log2(N)) && N >= 2 && p >= 1 && r === 8).toBe(true);
        expect(128 * r * N).toBeLessThanOrEqual(memory);
        expect(4 * N * r * p).toBeLessThanOrEqual(ops);
      }),
    );
  });
});
