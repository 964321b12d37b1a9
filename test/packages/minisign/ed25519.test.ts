import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { publicKeyOfSeed, signRaw, verifyRaw } from '../../../packages/minisign/ed25519.ts';
import { blake2b256, blake2b512 } from '../../../packages/minisign/hashes.ts';
import {
  encodePoint,
  fromLittleEndian,
  L,
  littleEndian,
  P,
  pointOf,
} from '../../harness/edwards.ts';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');

/** RFC 8032, section 7.1, tests 1 to 3: seed, public key, message, signature. */
const RFC8032: [string, string, string, string][] = [
  [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ],
  [
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  ],
  [
    'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    'af82',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  ],
];

const bytesOf = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });

describe('Ed25519', () => {
  it.each(RFC8032)('makes what RFC 8032 says for seed %s', (seed, key, message, signature) => {
    expect(Buffer.from(publicKeyOfSeed(hex(seed))).toString('hex')).toBe(key);
    expect(Buffer.from(signRaw(hex(seed), hex(message))).toString('hex')).toBe(signature);
    expect(verifyRaw(hex(key), hex(message), hex(signature))).toBe(true);
  });

  it('takes one S for a signature, not S plus the order of the group too', () => {
    for (const [, key, message, signature] of RFC8032) {
      const bytes = hex(signature);
      const other = littleEndian(fromLittleEndian(bytes.subarray(32)) + L);
      const forged = Buffer.concat([bytes.subarray(0, 32), other]);
      expect(verifyRaw(hex(key), hex(message), forged)).toBe(false);
    }
  });

  it('takes nothing that R = the neutral element and S = h·a make, which gives the key away', () => {
    // The owner of a key can make it; libsodium refuses it, and so must all who count signatures.
    const [seed, key, message] = RFC8032[1] ?? ['', '', ''];
    const expanded = createHash('sha512').update(hex(seed)).digest().subarray(0, 32);
    expanded[0] = (expanded[0] ?? 0) & 0xf8;
    expanded[31] = ((expanded[31] ?? 0) & 0x7f) | 0x40;
    const R = encodePoint(1n, false);
    const challenge = createHash('sha512').update(R).update(hex(key)).update(hex(message)).digest();
    const S = (fromLittleEndian(challenge) * fromLittleEndian(expanded)) % L;
    const forged = Buffer.concat([R, littleEndian(S)]);
    expect(verifyRaw(hex(key), hex(message), forged)).toBe(false);
  });

  it('says no, and does not throw, to any 32 bytes as a key that did not sign', () => {
    fc.assert(
      fc.property(bytesOf(32), bytesOf(64), fc.uint8Array(), (key, signature, message) => {
        expect(verifyRaw(key, message, signature)).toBe(false);
      }),
    );
    const y = [2n, 3n, 4n, 5n, 6n, 7n].find((each) => pointOf(each, false) === undefined) ?? P;
    expect(y).toBeLessThan(P);
    expect(verifyRaw(encodePoint(y, false), Buffer.alloc(0), Buffer.alloc(64, 2))).toBe(false);
  });

  it('says no to a key or a signature of another length', () => {
    for (const [, key, message, signature] of RFC8032) {
      expect(verifyRaw(hex(key).subarray(1), hex(message), hex(signature))).toBe(false);
      expect(verifyRaw(hex(key), hex(message), hex(`${signature}00`))).toBe(false);
    }
  });
});

describe('BLAKE2b', () => {
  it('is RFC 7693 for 64 bytes, and a function of its own for 32', () => {
    const abc = Buffer.from('abc');
    expect(Buffer.from(blake2b512(abc)).toString('hex')).toMatch(/^ba80a53f981c4d0d6a2797b69f12f6/);
    expect(Buffer.from(blake2b256(abc)).toString('hex')).toBe(
      'bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319',
    );
  });
});
