import {
  formatKeyId,
  parsePublicKey,
  publicKeyBase64,
  sameKey,
  serializePublicKey,
} from '@landfall/minisign';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../harness/errors.ts';
import { editBase64Line, relabelled, testKey } from '../../harness/minisign-keys.ts';

describe('public keys', () => {
  it('read back as they were written, bare and as a file', () => {
    const { publicKey } = testKey();
    const file = serializePublicKey(publicKey);
    const id = formatKeyId(publicKey.keyId);
    expect(file).toBe(
      `untrusted comment: minisign public key ${id}\n${publicKeyBase64(publicKey)}\n`,
    );
    expect(parsePublicKey(file)).toEqual({ ...publicKey, comment: `minisign public key ${id}` });
    expect(parsePublicKey(file.trimEnd())).toEqual(parsePublicKey(Buffer.from(file)));
    expect(parsePublicKey(publicKeyBase64(publicKey))).toEqual(publicKey);
    expect(parsePublicKey(`${publicKeyBase64(publicKey)}\n`)).toEqual(publicKey);
    expect(serializePublicKey(publicKey, 'mine')).toContain('untrusted comment: mine\n');
  });

  it('are the same by their bytes, whatever their ids', async () => {
    const [one, other] = [testKey(), testKey()];
    const twin = await relabelled(one, Buffer.from('another!'));
    expect(sameKey(one.publicKey, twin.publicKey)).toBe(true);
    expect(sameKey(one.publicKey, { ...other.publicKey, keyId: one.keyId })).toBe(false);
  });

  it.each<[string, (bare: string) => string, string]>([
    ['nothing', () => '', '42 bytes in base64, found 0'],
    ['a line feed', () => '\n', '42 bytes in base64, found 0'],
    ['a space at the end', (bare) => `${bare} `, 'canonical base64'],
    ['quotes', (bare) => `"${bare}"`, 'canonical base64'],
    ['a cut key', (bare) => bare.slice(0, 52), '42 bytes in base64, found 39'],
    ['two keys', (bare) => `${bare}\n${bare}\n`, "begins with 'untrusted comment: '"],
    ['a file of three lines', (b) => `untrusted comment: x\n${b}\n${b}\n`, 'exactly 2 lines'],
    ['a second final line feed', (b) => `untrusted comment: x\n${b}\n\n`, 'exactly 2 lines'],
    ['CR LF', (bare) => `untrusted comment: x\r\n${bare}\r\n`, 'carriage return'],
    ['a control character', (b) => `untrusted comment: \u0007\n${b}`, 'control characters'],
    ['another algorithm', (b) => editBase64Line(b, 0, (k) => k.set([0x45, 0x44])), 'bytes 4544'],
    ['far too much', (bare) => bare.repeat(100), 'at most 2048 bytes, found 5600'],
  ])('are refused with %s', async (_, change, message) => {
    const bare = publicKeyBase64(testKey().publicKey);
    const error = await errorOf(() => parsePublicKey(change(bare), "public key 'a.pub'"));
    expect(error.code).toBe('KEY_INVALID');
    expect(error.message).toMatch(/^public key 'a\.pub': expected .*/);
    expect(error.message).toContain(message);
    expect(error.hint).toBeDefined();
    expect(error.exit).toBe(2);
  });
});

describe('formatKeyId', () => {
  it('is a little-endian number in hex, without leading zeros', () => {
    expect(formatKeyId(Buffer.from('0d54dc19f59fd962', 'hex'))).toBe('62D99FF519DC540D');
    expect(formatKeyId(Buffer.from('ab00000000000000', 'hex'))).toBe('AB');
    expect(formatKeyId(Buffer.alloc(8))).toBe('0');
  });
});
