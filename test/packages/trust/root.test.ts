/** The root chain: the numbered steps of `verifyNextRoot`, and the stories of rotation. */
import { ManifestError } from '@landfall/manifest';
import { formatKeyId, publicKeyBase64, type SecretKey } from '@landfall/minisign';
import {
  checkRootExpiry,
  parseRoot,
  policyFor,
  serializeRoot,
  verifyFirstRoot,
  verifyNextRoot,
  verifySignatures,
  type RootDocument,
  type VerifiedRoot,
} from '@landfall/trust';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../harness/errors.ts';
import { relabelled, testKey } from '../../harness/minisign-keys.ts';
import { rootOf, signRoot, type SignedRoot } from '../../harness/roots.ts';
import { sha256, signAll } from '../../harness/signed-manifests.ts';

const APP = { app: 'archipelago' };
const id = (key: SecretKey): string => formatKeyId(key.keyId);
const base64 = (key: SecretKey): string => publicKeyBase64(key.publicKey);
const first = ({ bytes, signatures }: SignedRoot): VerifiedRoot =>
  verifyFirstRoot(bytes, signatures, APP);
const next = (current: VerifiedRoot, { bytes, signatures }: SignedRoot): VerifiedRoot =>
  verifyNextRoot(current, bytes, signatures);

interface Keys {
  a: SecretKey;
  b: SecretKey;
  c: SecretKey;
  d: SecretKey;
  r: SecretKey;
}
const newKeys = (): Keys => ({
  a: testKey(),
  b: testKey(),
  c: testKey(),
  d: testKey(),
  r: testKey(),
});

describe('a root document', () => {
  const example = (): RootDocument => {
    const { a, b, r } = newKeys();
    return rootOf(1, { root: [a, b], rootThreshold: 2, release: [r] });
  };

  it('has one spelling, and keeps what it does not know', () => {
    const root = { ...example(), later: { field: true } };
    const bytes = serializeRoot(root);
    expect(parseRoot(bytes)).toEqual(root);
    const shuffled = Object.fromEntries(Object.entries(parseRoot(bytes)).toReversed());
    expect(serializeRoot(shuffled as RootDocument)).toEqual(bytes);
    expect(new TextDecoder().decode(bytes)).toMatch(/^\{\n {2}"schema": 1,\n {2}"kind": "root",/);
  });

  type Change = (root: RootDocument) => Partial<Record<keyof RootDocument, unknown>>;
  it.each<[string, Change, string]>([
    ['of another kind', () => ({ kind: 'halt' }), "'kind'"],
    ['of version 0', () => ({ version: 0 }), "'version'"],
    ['without a key', ({ root }) => ({ root: { ...root, keys: [] } }), "'root.keys'"],
    [
      'with a key of rubbish',
      ({ root }) => ({ root: { ...root, keys: [`RW${'A'.repeat(54)}`], threshold: 1 } }),
      'root lists a key that cannot be read',
    ],
    [
      'that asks for more signatures than it lists keys',
      ({ root }) => ({ root: { ...root, threshold: 3 } }),
      'root asks for 3 signatures and lists 2 keys',
    ],
    ['with a threshold of 0', ({ root }) => ({ root: { ...root, threshold: 0 } }), 'threshold'],
    [
      'that lists a release key twice for a threshold of two',
      ({ channels: [alpha] }) => ({
        channels: [{ ...alpha, keys: [alpha?.keys[0], alpha?.keys[0]], threshold: 2 }],
      }),
      "channel 'alpha' lists a key twice",
    ],
    [
      'that lists a root key twice, though one signature is enough',
      ({ root }) => ({ root: { ...root, keys: [root.keys[0], root.keys[0]], threshold: 1 } }),
      'root lists a key twice',
    ],
    [
      'that lists a channel twice',
      ({ channels }) => ({ channels: [...channels, ...channels] }),
      'a channel is listed twice',
    ],
    [
      'whose default channel nobody may sign',
      () => ({ channel: 'beta' }),
      "the default channel 'beta' is not listed",
    ],
    [
      'with a floor of a channel that it does not list',
      () => ({ floors: [{ channel: 'beta', sequence: 1, sha256: 'a'.repeat(64) }] }),
      "the floor is of channel 'beta'",
    ],
    ['that ends before it begins', () => ({ expires: '2026-01-01T00:00:00Z' }), "'expires'"],
  ])('%s is refused', async (_, change, words) => {
    const root = example();
    const bytes = Buffer.from(JSON.stringify({ ...root, ...change(root) }));
    const error = await errorOf(() => parseRoot(bytes));
    expect(error).toBeInstanceOf(ManifestError);
    expect(error).toMatchObject({ code: 'ROOT_INVALID', exit: 3 });
    expect(error.message).toContain(words);
  });

  it('refuses a key listed under two ids, a schema to come, and more than 64 KiB', async () => {
    const { a, b } = newKeys();
    const twin = await relabelled(a, Buffer.from('another!'));
    const root = { ...rootOf(1, { root: [a], release: [b] }) };
    const twice = { ...root, root: { keys: [base64(a), base64(twin)], threshold: 2 } };
    expect((await errorOf(() => serializeRoot(twice))).message).toContain('lists a key twice');
    const code = async (text: string): Promise<string> =>
      (await errorOf(() => parseRoot(Buffer.from(text)))).code;
    expect(await code('{"schema": 2}')).toBe('ROOT_SCHEMA');
    expect(await code(`${JSON.stringify(root)}${' '.repeat(64 * 1024)}`)).toBe('ROOT_INVALID');
  });
});

describe('verifyFirstRoot', () => {
  it('returns the document, the very bytes, their digest and who signed; of any version', () => {
    const { a, b, c, r } = newKeys();
    const holders = { root: [a, b, c], rootThreshold: 2, release: [r] };
    const signed = signRoot(rootOf(7, holders), [c, a]);
    expect(first(signed)).toEqual({
      root: signed.root,
      bytes: Uint8Array.from(signed.bytes),
      sha256: sha256(signed.bytes),
      signers: [id(a), id(c)],
    });
  });

  it('refuses one that too few of its own root keys signed, and one of another app', async () => {
    const { a, b, r } = newKeys();
    const root = rootOf(1, { root: [a, b], rootThreshold: 2, release: [r] });
    const code = async (signed: SignedRoot, app = 'archipelago'): Promise<string> =>
      (await errorOf(() => verifyFirstRoot(signed.bytes, signed.signatures, { app }))).code;
    expect(await code(signRoot(root, [a]))).toBe('UNTRUSTED');
    expect(await code(signRoot(root, [a, a]))).toBe('UNTRUSTED');
    expect(await code(signRoot(root, [a, r]))).toBe('UNTRUSTED');
    expect(await code(signRoot(root, [a, b]), 'atoll')).toBe('WRONG_APP');
  });
});

describe('verifyNextRoot takes', () => {
  it.each<[string, (keys: Keys) => [SignedRoot, SignedRoot, string[]]]>([
    [
      'a replaced root key',
      ({ a, b, r }) => [
        signRoot(rootOf(1, { root: [a], release: [r] }), [a]),
        signRoot(rootOf(2, { root: [b], release: [r] }), [a, b]),
        [id(a), id(b)],
      ],
    ],
    [
      'a replaced release key: the root keys stay',
      ({ a, b, c, r }) => [
        signRoot(rootOf(1, { root: [a, b], rootThreshold: 2, release: [r] }), [a, b]),
        signRoot(rootOf(2, { root: [a, b], rootThreshold: 2, release: [c] }), [b, a]),
        [id(a), id(b)],
      ],
    ],
    [
      'a raised threshold',
      ({ a, b, c, r }) => [
        signRoot(rootOf(1, { root: [a], release: [r] }), [a]),
        signRoot(rootOf(2, { root: [a, b, c], rootThreshold: 2, release: [r] }), [a, c]),
        [id(a), id(c)],
      ],
    ],
    [
      'a lowered threshold, which the old threshold signed',
      ({ a, b, c, r }) => [
        signRoot(rootOf(1, { root: [a, b, c], rootThreshold: 2, release: [r] }), [a, b]),
        signRoot(rootOf(2, { root: [c], release: [r] }), [a, b, c]),
        [id(a), id(b), id(c)],
      ],
    ],
  ])('%s', (_, story) => {
    const [one, two, signers] = story(newKeys());
    const taken = next(first(one), two);
    expect(taken.root).toEqual(two.root);
    expect(taken.signers).toEqual(signers);
  });

  it('every step in its turn, expired ones between; only an expired last one is refused', async () => {
    const keys = newKeys();
    const { a, b, c, r } = keys;
    const now = new Date('2026-11-01T00:00:00Z');
    const past = { published: '2025-01-01T00:00:00Z', expires: '2026-01-01T00:00:00Z' };
    const one = first(signRoot(rootOf(1, { root: [a], release: [r] }, past), [a]));
    const two = next(one, signRoot(rootOf(2, { root: [b], release: [r] }, past), [a, b]));
    expect((await errorOf(() => checkRootExpiry(two, now))).message).toBe(
      'root document 2 has expired: expected a time before 2026-01-01T00:00:00Z, found 2026-11-01T00:00:00.000Z',
    );
    const three = next(two, signRoot(rootOf(3, { root: [c], release: [r] }), [b, c]));
    expect(() => checkRootExpiry(three, now)).not.toThrow();
    expect(three.root.version).toBe(3);
  });

  it('the keys of 16 old and 16 new root keys at once', () => {
    const old = Array.from({ length: 16 }, testKey);
    const fresh = Array.from({ length: 16 }, testKey);
    const release = [testKey()];
    const one = first(signRoot(rootOf(1, { root: old, rootThreshold: 16, release }), old));
    const root = rootOf(2, { root: fresh, rootThreshold: 16, release });
    expect(next(one, signRoot(root, [...old, ...fresh])).signers).toHaveLength(32);
  });
});

describe('verifyNextRoot refuses', () => {
  /** Two of a, b, c replaced by two of a, b, d. */
  const one = ({ a, b, c, r }: Keys): SignedRoot =>
    signRoot(rootOf(1, { root: [a, b, c], rootThreshold: 2, release: [r] }), [a, b]);
  const two = ({ a, b, d, r }: Keys, changes: Partial<RootDocument> = {}): RootDocument =>
    rootOf(2, { root: [a, b, d], rootThreshold: 2, release: [r] }, changes);

  type Attack = (keys: Keys) => Pick<SignedRoot, 'bytes' | 'signatures'>;
  it.each<[string, Attack, string, string]>([
    [
      '1. a step signed by only the new keys',
      (keys) => signRoot(two(keys), [keys.a, keys.d]),
      'UNTRUSTED',
      'root document 2: by the root keys of version 1: not signed by enough trusted keys: expected 2 of 3',
    ],
    [
      '1. a step signed by the release key',
      (keys) => signRoot(two(keys), [keys.r]),
      'UNTRUSTED',
      'by the root keys of version 1',
    ],
    [
      '1. one key that signed twice for a threshold of two',
      (keys) => signRoot(two(keys), [keys.a, keys.a, keys.d]),
      'UNTRUSTED',
      'expected 2 of 3',
    ],
    [
      '1. a step with one word changed after signing',
      (keys) => ({
        ...signRoot(two(keys), [keys.a, keys.b]),
        bytes: serializeRoot(two(keys, { reason: 'another' })),
      }),
      'UNTRUSTED',
      'by the root keys of version 1',
    ],
    [
      '1. what is not signed, without looking into it',
      () => ({ bytes: Buffer.alloc(100_000, '['), signatures: [] }),
      'UNTRUSTED',
      'by the root keys of version 1',
    ],
    [
      '2. signed bytes that are no root document',
      ({ a, b }) => {
        const bytes = Buffer.from('{"schema": 1, "kind": "halt"}');
        return { bytes, signatures: signAll(bytes, [a, b]) };
      },
      'ROOT_INVALID',
      'root document does not fit its schema',
    ],
    [
      '3. another app',
      (keys) => signRoot(two(keys, { app: 'atoll' }), [keys.a, keys.b]),
      'WRONG_APP',
      "expected 'archipelago', found 'atoll'",
    ],
    [
      '4. a step over a missing one',
      (keys) => signRoot(two(keys, { version: 3 }), [keys.a, keys.b]),
      'ROOT_STEP',
      'root document does not follow version 1: expected version 2, found 3',
    ],
    [
      '4. the same version again: an old root replayed',
      (keys) => one(keys),
      'ROOT_STEP',
      'expected version 2, found 1',
    ],
    [
      '5. a step signed by only the old keys',
      ({ a, b, c, d, r }) =>
        signRoot(rootOf(2, { root: [c, d], rootThreshold: 2, release: [r] }), [a, b, c]),
      'UNTRUSTED',
      'root document 2: by its own root keys: not signed by enough trusted keys: expected 2 of 2',
    ],
  ])('%s', async (_, attack, code, words) => {
    const keys = newKeys();
    const current = first(one(keys));
    const { bytes, signatures } = attack(keys);
    const error = await errorOf(() => verifyNextRoot(current, bytes, signatures));
    expect(error).toMatchObject({ code, exit: 3 });
    expect(error.message).toContain(words);
  });
});

describe('policyFor', () => {
  it('gives each channel its own keys and threshold, and nobody an unlisted one', async () => {
    const { a, b, c, r } = newKeys();
    const base = rootOf(1, { root: [a], release: [r] });
    const beta = { channel: 'beta', keys: [base64(b), base64(c)], threshold: 2 };
    const { root } = first(signRoot({ ...base, channels: [...base.channels, beta] }, [a]));
    const bytes = Buffer.from('{}');
    const signers = (channel: string | undefined, keys: SecretKey[]): string[] =>
      verifySignatures(bytes, signAll(bytes, keys), policyFor(root, channel)).signers.map((key) =>
        formatKeyId(key.keyId),
      );
    expect(signers(undefined, [r])).toEqual([id(r)]);
    expect(signers('alpha', [r])).toEqual([id(r)]);
    expect(signers('beta', [b, c])).toEqual([id(b), id(c)]);
    for (const keys of [[b], [r, a], [b, r]]) {
      expect((await errorOf(() => signers('beta', keys))).code).toBe('UNTRUSTED');
    }
    expect(await errorOf(() => policyFor(root, 'gamma'))).toMatchObject({
      code: 'WRONG_CHANNEL',
      message: "root document 1 lets nobody sign channel 'gamma': expected one of 'alpha', 'beta'",
    });
  });
});
