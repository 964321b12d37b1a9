import {
  formatKeyId,
  generateKeyPair,
  sign,
  type PublicKey,
  type SecretKey,
} from '@landfall/minisign';
import { MAX_SIGNATURES, TrustError, verifySignatures, type TrustPolicy } from '@landfall/trust';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../harness/errors.ts';
import { editBase64Line, relabelled, testKey } from '../../harness/minisign-keys.ts';
import { policyOf, signAll } from '../../harness/signed-manifests.ts';

const BYTES = Buffer.from('{ "version": "1.7.41-alpha" }\n');
const OTHER = Buffer.from('{ "version": "1.7.42-alpha" }\n');

interface Case {
  signatures: (string | Uint8Array)[];
  policy: TrustPolicy;
}
interface Keys {
  a: SecretKey;
  b: SecretKey;
  c: SecretKey;
  stranger: SecretKey;
}

const newKeys = (): Keys => ({ a: testKey(), b: testKey(), c: testKey(), stranger: testKey() });
const id = (key: SecretKey): string => formatKeyId(key.keyId);
const twice = (key: SecretKey): string[] =>
  ['one', 'two'].map((comment) => sign(key, BYTES, { trustedComment: comment }));

describe('verifySignatures refuses', () => {
  type Attack = (keys: Keys) => Case | Promise<Case>;
  it.each<[string, Attack, string]>([
    [
      'bytes that nobody signed',
      ({ a }) => ({ signatures: [], policy: policyOf([a]) }),
      'found 0 (none)',
    ],
    [
      'a signature by a stranger',
      ({ a, stranger }) => ({ signatures: signAll(BYTES, [stranger]), policy: policyOf([a]) }),
      'which is none of the trusted keys',
    ],
    [
      "a stranger's signature under a trusted key's id",
      async ({ a, stranger }) => ({
        signatures: signAll(BYTES, [await relabelled(stranger, a.keyId)]),
        policy: policyOf([a]),
      }),
      'does not verify over these bytes',
    ],
    [
      'a signature of other bytes',
      ({ a }) => ({ signatures: signAll(OTHER, [a]), policy: policyOf([a]) }),
      'does not verify over these bytes',
    ],
    [
      'a signature whose trusted comment was changed',
      ({ a }) => ({
        signatures: signAll(BYTES, [a]).map((text) => text.replace('of a test', 'of another')),
        policy: policyOf([a]),
      }),
      'does not verify over these bytes',
    ],
    [
      'a legacy signature',
      ({ a }) => ({
        signatures: signAll(BYTES, [a]).map((text) =>
          editBase64Line(text, 1, (bytes) => bytes.set(Buffer.from('Ed'))),
        ),
        policy: policyOf([a]),
      }),
      "found a legacy one ('Ed')",
    ],
    [
      'an HTML page in place of a signature',
      ({ a }) => ({ signatures: ['<html>not found</html>'], policy: policyOf([a]) }),
      'signature 1: expected exactly 4 lines',
    ],
    [
      'one signature where two are needed',
      ({ a, b, c }) => ({ signatures: signAll(BYTES, [a]), policy: policyOf([a, b, c], 2) }),
      'expected 2 of 3',
    ],
    [
      'one key that signed twice where two are needed',
      ({ a, b }) => ({ signatures: twice(a), policy: policyOf([a, b], 2) }),
      'expected 2 of 2',
    ],
    [
      'one signature given twice where two are needed',
      ({ a, b }) => ({ signatures: signAll(BYTES, [a, a]), policy: policyOf([a, b], 2) }),
      'expected 2 of 2',
    ],
    [
      'one key listed under two ids, signing as both, where two are needed',
      async ({ a, b }) => {
        const twin = await relabelled(a, Buffer.from('another!'));
        return { signatures: signAll(BYTES, [a, twin]), policy: policyOf([a, twin, b], 2) };
      },
      'expected 2 of 2',
    ],
    [
      'one good and one bad signature where two are needed',
      ({ a, b }) => ({
        signatures: [...signAll(BYTES, [a]), ...signAll(OTHER, [b])],
        policy: policyOf([a, b], 2),
      }),
      'signature 2: claims to be by',
    ],
    [
      'more signatures than anyone needs',
      ({ a }) => ({
        signatures: Array.from({ length: MAX_SIGNATURES + 1 }, () => signAll(BYTES, [a])).flat(),
        policy: policyOf([a]),
      }),
      'expected at most 32 signatures, found 33',
    ],
  ])('%s', async (_, attack, message) => {
    const keys = newKeys();
    const { signatures, policy } = await attack(keys);
    const error = await errorOf(() => verifySignatures(BYTES, signatures, policy));
    expect(error.code).toBe('UNTRUSTED');
    expect(error.message).toMatch(/^not signed by enough trusted keys: expected \d of \d \(/);
    expect(error.message).toContain(message);
    expect(error.message).toContain(id(keys.a));
    expect(error.message).not.toContain('\n');
    expect(error.hint).toContain('try another mirror');
    expect(error.exit).toBe(3);
  });

  it('with every key counted and named, found and missing', async () => {
    const { a, b, c, stranger } = newKeys();
    const signatures = signAll(BYTES, [c, stranger]);
    const policy = policyOf([a, b, c], 2);
    const error = await errorOf(() => verifySignatures(BYTES, signatures, policy));
    expect(error.message).toBe(
      `not signed by enough trusted keys: expected 2 of 3 (${[a, b, c].map(id).join(', ')}), ` +
        `found 1 (${id(c)}); signature 2: by ${id(stranger)}, which is none of the trusted keys`,
    );
  });

  it('and tells of a flood of rubbish briefly', async () => {
    const rubbish = Array.from({ length: 32 }, () => 'x'.repeat(1000));
    const error = await errorOf(() => verifySignatures(BYTES, rubbish, policyOf([testKey()])));
    expect(error.message.length).toBeLessThan(500);
    expect(error.message).toContain('and 29 more');
  });
});

/** The signers, or the code of the refusal. */
function outcomeOf(signatures: readonly string[], policy: TrustPolicy): PublicKey[] | string {
  try {
    return verifySignatures(BYTES, signatures, policy).signers;
  } catch (error) {
    if (error instanceof TrustError) return error.code;
    throw error;
  }
}

describe('verifySignatures accepts', () => {
  it('any subset of the keys that is large enough, and no other', () => {
    const keys = Array.from({ length: 4 }, () => generateKeyPair());
    const all = signAll(BYTES, keys);
    const cases = fc.record({
      signed: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
      backwards: fc.boolean(),
      threshold: fc.integer({ min: 1, max: 4 }),
      rubbish: fc.array(fc.string(), { maxLength: 3 }),
    });
    fc.assert(
      fc.property(cases, ({ signed, backwards, threshold, rubbish }) => {
        const good = all.filter((_, at) => signed[at]);
        const signatures = [...rubbish, ...(backwards ? good.toReversed() : good)];
        const signers = keys.filter((_, at) => signed[at]).map((key) => key.publicKey);
        const expected = signers.length < threshold ? 'UNTRUSTED' : signers;
        expect(outcomeOf(signatures, policyOf(keys, threshold))).toEqual(expected);
      }),
    );
  });

  it('a good signature beside rubbish: a mirror has no veto', () => {
    const { a, stranger } = newKeys();
    const signatures = ['rubbish', ...signAll(BYTES, [stranger]), ...signAll(OTHER, [a])];
    const { signers } = verifySignatures(
      BYTES,
      [...signatures, ...signAll(BYTES, [a])],
      policyOf([a]),
    );
    expect(signers).toEqual([a.publicKey]);
  });

  it('signature files as bytes', () => {
    const key = testKey();
    const bytes = signAll(BYTES, [key]).map((text) => Buffer.from(text));
    expect(verifySignatures(BYTES, bytes, policyOf([key])).signers).toEqual([key.publicKey]);
  });

  it('two keys that carry one id, as two', async () => {
    const { a, b } = newKeys();
    const twin = await relabelled(b, a.keyId);
    const { signers } = verifySignatures(BYTES, signAll(BYTES, [twin, a]), policyOf([a, twin], 2));
    expect(signers).toEqual([a.publicKey, twin.publicKey]);
  });

  it('a key that is listed under two ids, by either, as one', async () => {
    const { a } = newKeys();
    const twin = await relabelled(a, Buffer.from('another!'));
    for (const signer of [a, twin]) {
      const { signers } = verifySignatures(BYTES, signAll(BYTES, [signer]), policyOf([a, twin]));
      expect(signers).toEqual([a.publicKey]);
    }
  });
});

describe('a policy that makes no sense', () => {
  it.each<[string, (a: SecretKey, b: SecretKey) => TrustPolicy, string]>([
    ['no keys', () => policyOf([]), 'public keys: expected at least one, found none'],
    ['a threshold of 0', (a) => policyOf([a], 0), 'expected a whole number of at least 1, found 0'],
    ['a threshold below 0', (a) => policyOf([a], -1), 'at least 1, found -1'],
    ['half a key', (a) => policyOf([a], 0.5), 'whole number of at least 1, found 0.5'],
    ['a threshold that is no number', (a) => policyOf([a], Number.NaN), 'found NaN'],
    ['more than there are', (a, b) => policyOf([a, b], 3), 'expected at most 2'],
    [
      'a key listed twice to reach it',
      (a) => policyOf([a, a], 2),
      'public keys (2 listed), found 2',
    ],
  ])('is refused, whatever is signed: %s', async (_, make, message) => {
    const [a, b] = [testKey(), testKey()];
    const policy = make(a, b);
    const error = await errorOf(() => verifySignatures(BYTES, signAll(BYTES, [a, b]), policy));
    expect(error.code).toBe('POLICY_INVALID');
    expect(error.message).toContain(message);
    expect(error.hint).toBeDefined();
    expect(error.exit).toBe(2);
  });
});
