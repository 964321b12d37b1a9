import { inspect } from 'node:util';
import { generateKeyPair, parseSecretKey, serializeSecretKey } from '@landfall/minisign';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../harness/errors.ts';
import { CHEAP, editBase64Line, editLine, spareBit, testKey } from '../../harness/minisign-keys.ts';

const none = (): undefined => undefined;
const seedOf = (text: string): string =>
  Buffer.from(text.split('\n')[1] ?? '', 'base64').toString('hex', 62, 94);

describe('secret keys', () => {
  it('open with the password they were encrypted with, whatever it is', async () => {
    const password = fc
      .string({ unit: 'binary', minLength: 1, maxLength: 100 })
      .filter((text) => !/[\0\r\n]/.test(text));
    await fc.assert(
      fc.asyncProperty(password, async (text) => {
        const key = generateKeyPair();
        const file = await serializeSecretKey(key, { password: text, ...CHEAP });
        const opened = await parseSecretKey(file, () => Promise.resolve(text));
        expect(opened.publicKey).toEqual(key.publicKey);
        expect(opened.copySeed()).toEqual(key.copySeed());
        expect(file).not.toContain(Buffer.from(key.copySeed()).toString('base64').slice(4, 36));
      }),
      { numRuns: 30 },
    );
  });

  it('open without asking when they have no password', async () => {
    const key = testKey();
    const file = await serializeSecretKey(key, { password: undefined, comment: 'mine' });
    expect(file).toMatch(/^untrusted comment: mine\nRWQAAEIy[A-Za-z0-9+/]{203}=\n$/);
    const opened = await parseSecretKey(file, () => {
      throw new Error('asked for a password');
    });
    expect(opened.copySeed()).toEqual(key.copySeed());
  });

  it('are encrypted with fresh salt each time', async () => {
    const key = testKey();
    const options = { password: 'pw', ...CHEAP };
    expect(await serializeSecretKey(key, options)).not.toBe(await serializeSecretKey(key, options));
  });

  it('do not show their seed when printed, and forget it when destroyed', async () => {
    const key = testKey();
    const seed = Buffer.from(key.copySeed());
    for (const text of [inspect(key, { showHidden: true, depth: 9 }), JSON.stringify(key)]) {
      expect(text).not.toContain(seed.toString('hex').slice(0, 8));
      expect(text).not.toContain([...seed.subarray(0, 4)].join(','));
      expect(text).not.toContain([...seed.subarray(0, 4)].join(', '));
    }
    key.destroy();
    expect((await errorOf(() => key.copySeed())).code).toBe('KEY_INVALID');
    const error = await errorOf(() => serializeSecretKey(key, { password: undefined }));
    expect(error.code).toBe('KEY_INVALID');
  });

  it.each<[string, string | undefined, string, string]>([
    ['another', 'PW', 'PASSWORD_WRONG', 'was encrypted with, found another'],
    ['one with a space', 'pw ', 'PASSWORD_WRONG', 'was encrypted with, found another'],
    ['an empty one', '', 'PASSWORD_WRONG', 'was encrypted with, found another'],
    ['none', undefined, 'PASSWORD_NEEDED', 'expected a password, found none'],
  ])('stay closed when the password given is %s', async (_, password, code, message) => {
    const file = await serializeSecretKey(testKey(), { password: 'pw', ...CHEAP });
    const error = await errorOf(() => parseSecretKey(file, () => password, "secret key 'k'"));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(/^secret key 'k': expected /);
    expect(error.message).toContain(message);
    expect(error.hint).toContain('password');
    expect(error.exit).toBe(2);
  });

  it.each<[string, string, string]>([
    ['an empty one', '', 'found an empty one'],
    ['one that minisign would cut', 'x'.repeat(1024), 'at most 1023 bytes, found 1024'],
    ['one of two lines', 'a\nb', 'of one line'],
    ['one with a NUL', 'a\0b', 'of one line'],
    ['half a surrogate pair', '\uD800', 'of one line'],
  ])('are not encrypted with %s', async (_, password, message) => {
    const error = await errorOf(() => serializeSecretKey(testKey(), { password, ...CHEAP }));
    expect(error.code).toBe('PASSWORD_INVALID');
    expect(error.message).toContain(message);
    expect(error.exit).toBe(2);
  });

  it('need their checksum when they have a password, though others may have none', async () => {
    const key = testKey();
    const plain = await serializeSecretKey(key, { password: undefined });
    const checksum = Buffer.from(plain.split('\n')[1] ?? '', 'base64').subarray(126);
    const file = await serializeSecretKey(key, { password: 'pw', ...CHEAP });
    // Encryption is XOR: this makes the checksum inside zero without knowing the password.
    const zeroed = editBase64Line(file, 1, (bytes) => {
      for (const [at, byte] of checksum.entries()) bytes[126 + at] = (bytes[126 + at] ?? 0) ^ byte;
    });
    const error = await errorOf(() => parseSecretKey(zeroed, () => 'pw'));
    expect(error.code).toBe('PASSWORD_WRONG');
  });

  it.each<[string, (text: string) => string, string]>([
    ['one line', (t) => t.split('\n')[1] ?? '', 'exactly 2 lines, found 1'],
    ['three lines', (t) => `${t}x`, 'exactly 2 lines, found 3'],
    ['CR LF', (t) => t.replaceAll('\n', '\r\n'), 'carriage return'],
    ['another first line', (t) => t.replace('untrusted', 'trusted'), 'begins with'],
    ['spare bits', editLine(1, spareBit), 'canonical'],
    ['a public key', () => `untrusted comment: x\n${'A'.repeat(56)}\n`, '158 bytes in base64'],
    ['another algorithm', (t) => editBase64Line(t, 1, (b) => b.set([1], 0)), 'bytes 0164'],
    ['another derivation', (t) => editBase64Line(t, 1, (b) => b.set([1], 2)), 'bytes 0100'],
    ['another checksum kind', (t) => editBase64Line(t, 1, (b) => b.set([1], 4)), 'bytes 0132'],
    [
      'another seed',
      (t) => editBase64Line(t, 1, (b) => b.fill(7, 62, 94)),
      'expected the checksum of its content',
    ],
    [
      'another seed and no checksum',
      (t) => editBase64Line(t, 1, (b) => b.fill(7, 62, 94).fill(0, 126)),
      'public half to belong to its secret half',
    ],
    [
      "another key's public half and no checksum",
      (t) => editBase64Line(t, 1, (b) => b.fill(7, 94, 126).fill(0, 126)),
      'public half to belong to its secret half',
    ],
  ])('are refused with %s', async (_, change, message) => {
    const text = await serializeSecretKey(testKey(), { password: undefined });
    const error = await errorOf(() => parseSecretKey(change(text), none, "secret key 'k'"));
    expect(error.code).toBe('KEY_INVALID');
    expect(error.message).toMatch(/^secret key 'k': expected /);
    expect(error.message).toContain(message);
    expect(error.message).not.toContain(seedOf(text).slice(0, 8));
    expect(error.hint).toBeDefined();
    expect(error.exit).toBe(2);
  });

  it('are refused before any work when their file asks for all the memory', async () => {
    const file = await serializeSecretKey(testKey(), { password: 'pw', ...CHEAP });
    const hostile = editBase64Line(file, 1, (bytes) => bytes.fill(0x7f, 38, 54));
    const started = performance.now();
    const error = await errorOf(() => parseSecretKey(hostile, () => 'pw'));
    expect(performance.now() - started).toBeLessThan(1000);
    expect(error.code).toBe('KEY_INVALID');
    expect(error.message).toContain('opslimit of at most');
  });

  it('are not written with limits that would not be read back', async () => {
    const options = { password: 'pw', opslimit: 32_768, memlimit: 2 ** 30 + 1 };
    expect((await errorOf(() => serializeSecretKey(testKey(), options))).code).toBe('KEY_INVALID');
  });
});
