import { execFileSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  isSecretKeyFile,
  readSecretKeyFile,
  serializePublicKey,
  serializeSecretKey,
} from '@landfall/minisign';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../harness/errors.ts';
import { CHEAP, testKey } from '../../harness/minisign-keys.ts';
import { temporaryFolder } from '../../harness/temporary.ts';

const none = (): undefined => undefined;

/** The path of a new key file without a password. */
async function keyFile(mode: number): Promise<string> {
  const path = join(temporaryFolder(), 'release.key');
  writeFileSync(path, await serializeSecretKey(testKey(), { password: undefined }));
  chmodSync(path, mode);
  return path;
}

describe('readSecretKeyFile', () => {
  it.each([0o600, 0o400])('reads a file of mode %o', async (mode) => {
    const key = await readSecretKeyFile(await keyFile(mode), none);
    expect(key.copySeed()).toHaveLength(32);
  });

  it.each([0o640, 0o604, 0o644, 0o660, 0o620, 0o602, 0o610, 0o601, 0o777])(
    'refuses a file of mode %o',
    async (mode) => {
      const path = await keyFile(mode);
      const error = await errorOf(() => readSecretKeyFile(path, none));
      expect(error.code).toBe('KEY_PERMISSIONS');
      expect(error.message).toContain(
        `secret key '${path}': expected mode 0600, found 0${mode.toString(8)}`,
      );
      expect(error.hint).toContain(`chmod 600 '${path}'`);
      expect(error.exit).toBe(2);
    },
  );

  it('names the file in every error', async () => {
    const path = await keyFile(0o600);
    writeFileSync(path, 'rubbish');
    const error = await errorOf(() => readSecretKeyFile(path, none));
    expect(error.message).toBe(`secret key '${path}': expected exactly 2 lines, found 1`);
    writeFileSync(path, Buffer.alloc(1024 * 1024, 'a'));
    const large = await errorOf(() => readSecretKeyFile(path, none));
    expect(large.message).toContain('expected at most 2048 bytes');
  });

  it.each<[string, (folder: string) => string, string, string]>([
    ['that is not there', (f) => join(f, 'no.key'), 'no such file', 'check the path'],
    ['that is a folder', (f) => f, 'expected a file', 'check the path'],
    [
      'below a file',
      (f) => {
        writeFileSync(join(f, 'file'), '');
        return join(f, 'file/no.key');
      },
      'cannot read it',
      'check the path',
    ],
    [
      'that is a fifo nobody writes to',
      (f) => {
        execFileSync('mkfifo', ['-m', '600', join(f, 'fifo')]);
        return join(f, 'fifo');
      },
      'expected a file',
      'check the path',
    ],
  ])('cannot read a file %s', async (_, make, message, hint) => {
    const folder = temporaryFolder();
    const path = make(folder);
    const error = await errorOf(() => readSecretKeyFile(path, none));
    expect(error.code).toBe('KEY_UNREADABLE');
    expect(error.message).toContain(`secret key '${path}': `);
    expect(error.message).toContain(message);
    expect(error.hint).toContain(hint);
    expect(error.exit).toBe(2);
  });
});

describe('isSecretKeyFile', () => {
  const isKey = (content: string): boolean => {
    const path = join(temporaryFolder(), 'any.txt');
    writeFileSync(path, content, { mode: 0o644 });
    return isSecretKeyFile(path, Buffer.byteLength(content));
  };

  it('knows a key with or without a password, whatever its name, mode and line ends', async () => {
    const plain = await serializeSecretKey(testKey(), { password: undefined, comment: '' });
    const encrypted = await serializeSecretKey(testKey(), { password: 'x', ...CHEAP });
    for (const text of [plain, encrypted]) {
      expect([text, text.trimEnd(), text.replaceAll('\n', '\r\n')].map(isKey)).toEqual([
        true,
        true,
        true,
      ]);
    }
  });

  it('takes nothing else for one', async () => {
    const comment = `untrusted comment: ${'x'.repeat(300)}\n`;
    expect(isKey(serializePublicKey(testKey().publicKey, comment.slice(19, 200)))).toBe(false);
    expect(isKey(comment)).toBe(false);
    expect(isKey(`${comment}RWRT`)).toBe(false);
    expect(isKey('x'.repeat(400))).toBe(false);
    expect(isSecretKeyFile('/nonexistent/key', 400)).toBe(false);
  });
});
