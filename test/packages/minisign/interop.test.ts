/** Against Debian's `minisign`, both ways. What takes 1 GiB is in `test/scenarios/minisign.test.ts`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  formatKeyId,
  parsePublicKey,
  parseSecretKey,
  parseSignature,
  publicKeyBase64,
  readSecretKeyFile,
  sameKey,
  serializePublicKey,
  serializeSecretKey,
  sign,
  verify,
  type SecretKey,
} from '@landfall/minisign';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../harness/errors.ts';
import { minisign, runMinisign } from '../../harness/minisign.ts';
import { CHEAP, editBase64Line, relabelled, testKey } from '../../harness/minisign-keys.ts';
import { temporaryFolder } from '../../harness/temporary.ts';

const none = (): undefined => undefined;
const MESSAGES: [string, Uint8Array][] = [
  ['an empty file', new Uint8Array()],
  ['text', Buffer.from('{ "version": "1.7.41-alpha" }\n')],
  ['a mebibyte of every byte', Uint8Array.from({ length: 2 ** 20 }, (_, index) => index % 251)],
];

/** A folder with a key pair made by minisign, without a password. */
function theirKeys(): string {
  const folder = temporaryFolder();
  minisign(folder, ['-G', '-W', '-p', 'their.pub', '-s', 'their.key']);
  return folder;
}

/** A folder with our key's files. */
async function ourKeys(key: SecretKey, password?: string): Promise<string> {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'our.pub'), serializePublicKey(key.publicKey));
  const text = await serializeSecretKey(key, { password, ...CHEAP });
  writeFileSync(join(folder, 'our.key'), text, { mode: 0o600 });
  return folder;
}

const read = (folder: string, name: string): string => readFileSync(join(folder, name), 'utf8');

describe('what minisign makes', () => {
  it.each(MESSAGES)('verifies here: %s', (_, message) => {
    const folder = theirKeys();
    writeFileSync(join(folder, 'm'), message);
    const comment = 'timestamp:1\tfile:m\tgrüße 🏝';
    minisign(folder, ['-S', '-s', 'their.key', '-m', 'm', '-t', comment]);
    const key = parsePublicKey(read(folder, 'their.pub'));
    const signature = parseSignature(readFileSync(join(folder, 'm.minisig')));
    expect(verify(message, signature, key)).toEqual({ trustedComment: comment });
  });

  it('verifies here with the comment that minisign chooses, and the longest it can write', () => {
    const folder = theirKeys();
    writeFileSync(join(folder, 'm'), 'x');
    const key = parsePublicKey(read(folder, 'their.pub'));
    minisign(folder, ['-S', '-s', 'their.key', '-m', 'm']);
    const chosen = verify(Buffer.from('x'), parseSignature(read(folder, 'm.minisig')), key);
    expect(chosen.trustedComment).toMatch(/^timestamp:\d+\tfile:m\thashed$/);

    // Its buffer for writing a line is half as long as the one for reading.
    const longest = 'x'.repeat(4077);
    minisign(folder, ['-S', '-s', 'their.key', '-m', 'm', '-t', longest]);
    const long = verify(Buffer.from('x'), parseSignature(read(folder, 'm.minisig')), key);
    expect(long.trustedComment).toBe(longest);
  });

  it('is the very file that we make with the same key', async () => {
    const folder = theirKeys();
    const key = await readSecretKeyFile(join(folder, 'their.key'), none);
    for (const [, message] of MESSAGES) {
      writeFileSync(join(folder, 'm'), message);
      minisign(folder, ['-S', '-s', 'their.key', '-m', 'm', '-t', 'one', '-c', 'two']);
      const ours = sign(key, message, { trustedComment: 'one', untrustedComment: 'two' });
      expect(ours).toBe(read(folder, 'm.minisig'));
    }
    expect(serializePublicKey(key.publicKey)).toBe(read(folder, 'their.pub'));
  });

  it('with the legacy format is refused, also under the new name', async () => {
    const folder = theirKeys();
    writeFileSync(join(folder, 'm'), 'x');
    minisign(folder, ['-S', '-l', '-s', 'their.key', '-m', 'm']);
    const legacy = read(folder, 'm.minisig');
    const refused = await errorOf(() => parseSignature(legacy));
    expect(refused.code).toBe('SIGNATURE_INVALID');
    expect(refused.message).toContain("found a legacy one ('Ed')");
    expect(refused.hint).toContain('minisign -l');

    const renamed = editBase64Line(legacy, 1, (bytes) => bytes.set(Buffer.from('ED')));
    const key = parsePublicKey(read(folder, 'their.pub'));
    const error = await errorOf(() => verify(Buffer.from('x'), parseSignature(renamed), key));
    expect(error.code).toBe('SIGNATURE_MISMATCH');
  });
});

describe('what we make', () => {
  it.each(MESSAGES)('verifies with minisign: %s', async (_, message) => {
    const key = testKey();
    const folder = await ourKeys(key);
    const comment = 'timestamp:1\tfile:m\tgrüße 🏝';
    writeFileSync(join(folder, 'm'), message);
    writeFileSync(join(folder, 'm.minisig'), sign(key, message, { trustedComment: comment }));
    expect(minisign(folder, ['-V', '-H', '-Q', '-p', 'our.pub', '-m', 'm'])).toBe(`${comment}\n`);
    minisign(folder, ['-V', '-H', '-P', publicKeyBase64(key.publicKey), '-m', 'm']);
  });

  it('verifies with minisign with the longest comments, and without the last line feed', async () => {
    const key = testKey();
    const folder = await ourKeys(key);
    const options = { trustedComment: 'x'.repeat(8173), untrustedComment: 'y'.repeat(1003) };
    const text = sign(key, Buffer.from('x'), options);
    writeFileSync(join(folder, 'm'), 'x');
    for (const each of [text, text.trimEnd()]) {
      writeFileSync(join(folder, 'm.minisig'), each);
      const shown = minisign(folder, ['-V', '-Q', '-p', 'our.pub', '-m', 'm']);
      expect(shown).toBe(`${options.trustedComment}\n`);
    }
  });

  it('does not verify with minisign once a byte of it is another', async () => {
    const key = testKey();
    const folder = await ourKeys(key);
    writeFileSync(join(folder, 'm'), 'x');
    const text = sign(key, Buffer.from('x'), { trustedComment: 'one' });
    writeFileSync(join(folder, 'm.minisig'), text.replace('comment: one', 'comment: two'));
    const { code, stderr } = runMinisign(folder, ['-V', '-p', 'our.pub', '-m', 'm']);
    expect([code, stderr]).toEqual([1, 'Comment signature verification failed\n']);
  });

  it.each<[string, string | undefined]>([
    ['with a password', 'pässword 🏝'],
    ['without', undefined],
  ])('opens as a key in minisign, %s', async (_, password) => {
    const key = testKey();
    const folder = await ourKeys(key, password);
    const typed = password === undefined ? [] : [password];
    writeFileSync(join(folder, 'm'), 'x');
    minisign(folder, ['-S', '-s', 'our.key', '-m', 'm', '-t', 'hello'], typed);
    const signature = parseSignature(read(folder, 'm.minisig'));
    expect(verify(Buffer.from('x'), signature, key.publicKey).trustedComment).toBe('hello');

    minisign(folder, ['-R', '-s', 'our.key', '-p', 'again.pub'], typed);
    expect(read(folder, 'again.pub')).toBe(read(folder, 'our.pub'));
  });

  it('stays closed in minisign with another password', async () => {
    const folder = await ourKeys(testKey(), 'pw');
    const outcome = runMinisign(folder, ['-R', '-s', 'our.key', '-p', 'again.pub'], ['PW']);
    expect(outcome.code).not.toBe(0);
    expect(outcome.stderr).toContain('Wrong password for that key');
  });

  it('opens here after minisign took its password away', async () => {
    const key = testKey();
    const folder = await ourKeys(key, 'pw');
    minisign(folder, ['-C', '-W', '-s', 'our.key'], ['pw']);
    const opened = await parseSecretKey(read(folder, 'our.key'), none);
    expect(sameKey(opened.publicKey, key.publicKey)).toBe(true);
    expect(opened.keyId).toEqual(key.keyId);
  });
});

describe('key ids', () => {
  it.each(['ab00000000000000', '00000000000000ab', '0123456789abcd00', '0000000000000000'])(
    'print as minisign prints them: %s',
    async (hex) => {
      const key = await relabelled(testKey(), Buffer.from(hex, 'hex'));
      const folder = await ourKeys(key);
      minisign(folder, ['-R', '-s', 'our.key', '-p', 'again.pub']);
      expect(read(folder, 'again.pub')).toContain(` ${formatKeyId(key.keyId)}\n`);
    },
  );
});
