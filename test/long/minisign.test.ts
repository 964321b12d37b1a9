/** minisign's own default keys, which take 1 GiB and seconds to open, both ways. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  parsePublicKey,
  parseSecretKey,
  parseSignature,
  readSecretKeyFile,
  sameKey,
  serializePublicKey,
  serializeSecretKey,
  sign,
  verify,
} from '@landfall/minisign';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../harness/errors.ts';
import { minisign } from '../harness/minisign.ts';
import { testKey } from '../harness/minisign-keys.ts';
import { temporaryFolder } from '../harness/temporary.ts';

const MESSAGE = Buffer.from('{ "version": "1.7.41-alpha" }\n');
const PASSWORD = 'correct horse 🐎';

/** opslimit and memlimit of a secret key's file. */
function limitsOf(text: string): bigint[] {
  const bytes = Buffer.from(text.split('\n')[1] ?? '', 'base64');
  return [bytes.readBigUInt64LE(38), bytes.readBigUInt64LE(46)];
}

describe('keys of 1 GiB', () => {
  it("opens minisign's with its password and signs what minisign verifies", async () => {
    const folder = temporaryFolder();
    minisign(folder, ['-G', '-p', 'their.pub', '-s', 'their.key'], [PASSWORD, PASSWORD]);
    const text = readFileSync(join(folder, 'their.key'), 'utf8');
    expect(limitsOf(text)).toEqual([33_554_432n, 1_073_741_824n]);

    const key = await readSecretKeyFile(join(folder, 'their.key'), () => PASSWORD);
    const pub = parsePublicKey(readFileSync(join(folder, 'their.pub')));
    expect(sameKey(key.publicKey, pub)).toBe(true);
    writeFileSync(join(folder, 'm'), MESSAGE);
    writeFileSync(join(folder, 'm.minisig'), sign(key, MESSAGE, { trustedComment: 'ours' }));
    key.destroy();
    expect(minisign(folder, ['-V', '-H', '-Q', '-p', 'their.pub', '-m', 'm'])).toBe('ours\n');

    const wrong = await errorOf(() => parseSecretKey(text, () => 'correct horse'));
    expect(wrong.code).toBe('PASSWORD_WRONG');
  });

  it('makes the same by default, and minisign opens it and signs what we verify', async () => {
    const folder = temporaryFolder();
    const key = testKey();
    const text = await serializeSecretKey(key, { password: PASSWORD });
    expect(limitsOf(text)).toEqual([33_554_432n, 1_073_741_824n]);
    writeFileSync(join(folder, 'our.key'), text, { mode: 0o600 });
    writeFileSync(join(folder, 'our.pub'), serializePublicKey(key.publicKey));
    writeFileSync(join(folder, 'm'), MESSAGE);

    const args = ['-S', '-s', 'our.key', '-p', 'our.pub', '-m', 'm', '-t', 'theirs'];
    minisign(folder, args, [PASSWORD]);
    const signature = parseSignature(readFileSync(join(folder, 'm.minisig')));
    expect(verify(MESSAGE, signature, key.publicKey)).toEqual({ trustedComment: 'theirs' });
  });

  it('opens a key after minisign changed its password, and only with the new one', async () => {
    const folder = temporaryFolder();
    const key = testKey();
    const cheap = { opslimit: 32_768, memlimit: 16 * 1024 * 1024 };
    const text = await serializeSecretKey(key, { password: 'old', ...cheap });
    writeFileSync(join(folder, 'our.key'), text, { mode: 0o600 });
    minisign(folder, ['-C', '-s', 'our.key'], ['old', PASSWORD, PASSWORD]);

    const path = join(folder, 'our.key');
    const opened = await readSecretKeyFile(path, () => PASSWORD);
    expect(opened.publicKey).toEqual(key.publicKey);
    opened.destroy();
    const error = await errorOf(() => readSecretKeyFile(path, () => 'old'));
    expect(error.code).toBe('PASSWORD_WRONG');
  });
});
