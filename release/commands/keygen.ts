/** `release keygen`: makes a key pair to sign releases with. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from '@landfall/cli';
import {
  formatKeyId,
  generateKeyPair,
  publicKeyBase64,
  serializePublicKey,
  serializeSecretKey,
} from '@landfall/minisign';
import { ReleaseError } from '../errors.ts';
import { exists, writeNewFile } from '../new-file.ts';
import { canPrompt, givenPassword, promptNewPassword } from '../password.ts';
import { DEFAULT_KEY } from '../template.ts';
import { DRY_RUN } from './common.ts';

const KEEP = 'a lost or overwritten key cannot be restored: give another name with --out';

/** `release keygen`: makes a key pair, in two files as minisign has them; overwrites neither. */
export const keygenCommand: Command = {
  name: 'keygen',
  summary: 'make a key pair to sign releases with',
  options: {
    out: { value: 'PATH', help: `where the secret key goes; ${DEFAULT_KEY} unless told` },
    'no-password': { help: 'do not encrypt it: whoever reads the file can sign' },
    'dry-run': DRY_RUN,
  },
  details: [
    'The password is taken from LANDFALL_KEY_PASSWORD, or from the file that',
    'LANDFALL_KEY_PASSWORD_FILE names, or asked for on a terminal.',
  ],
  async run(context) {
    const path = resolve(context.text('out') ?? DEFAULT_KEY);
    const publicPath = `${path.replace(/\.key$/, '')}.pub`;
    for (const each of [path, publicPath]) if (existsSync(each)) throw exists(each, KEEP);
    if (context.flag('dry-run')) {
      return context.result({ secret: path, public: publicPath, dryRun: true }, [
        `would write the secret key to '${path}' and the public key to '${publicPath}'`,
      ]);
    }
    const password = context.flag('no-password') ? undefined : await newPassword(path);
    const key = generateKeyPair();
    try {
      const id = formatKeyId(key.keyId);
      const line = publicKeyBase64(key.publicKey);
      const text = await serializeSecretKey(key, {
        password,
        comment: `landfall release key ${id}, ${password === undefined ? 'not encrypted' : 'encrypted'}`,
      });
      writeNewFile(path, text, 0o600, KEEP);
      const comment = `landfall release public key ${id}`;
      writeNewFile(publicPath, serializePublicKey(key.publicKey, comment), 0o644, KEEP);
      context.result({ secret: path, public: publicPath, publicKey: line, keyId: id }, [
        `secret key: ${path} (keep a copy offline; never commit it)`,
        `public key: ${publicPath}`,
        '',
        `put this line into 'keys.public' of release.config.ts, and into 'public_keys' of every node:`,
        `  ${line}`,
      ]);
    } finally {
      key.destroy();
    }
  },
};

async function newPassword(path: string): Promise<string> {
  const given = await givenPassword();
  if (given !== undefined) return given;
  if (canPrompt()) return promptNewPassword(`'${path}'`);
  throw new ReleaseError('KEY_MISSING', 'no password for the new key, and no terminal to ask on', {
    hint: 'set LANDFALL_KEY_PASSWORD_FILE, or say --no-password on purpose',
  });
}
