/**
 * Two people who must sign together: anna has the project, bo has a key and a
 * folder, and files go to and fro between them. Everything is real.
 */
import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import {
  formatKeyId,
  generateKeyPair,
  type SecretKey,
  serializePublicKey,
  serializeSecretKey,
} from '@landfall/minisign';
import { type Outcome, runCommand } from './command.ts';
import type { Project } from './project.ts';

export interface Bo {
  readonly key: SecretKey;
  /** Of the key. */
  readonly id: string;
  /** Bo's folder; the secret key is `bo.key` in it, the public one `bo.pub`. */
  readonly folder: string;
  /** Bo gets the file, and those beside it that are named, signs it, and sends the signature back. */
  sign: (file: string, beside?: readonly string[]) => Promise<Outcome>;
}

/** Bo, with a folder beside the project. */
export async function makeBo(site: Project): Promise<Bo> {
  const key = generateKeyPair();
  const folder = join(site.root, 'bo');
  mkdirSync(folder);
  await writeKey(folder, 'bo', key);
  const id = formatKeyId(key.keyId);
  const sign = async (file: string, beside: readonly string[] = []): Promise<Outcome> => {
    for (const each of [file, ...beside]) cpSync(each, join(folder, basename(each)));
    const args = ['sign', basename(file), '--key', 'bo.key'];
    const outcome = await runCommand('release', args, { cwd: folder });
    const signature = `${basename(file)}.${id}.minisig`;
    cpSync(join(folder, signature), join(dirname(file), signature));
    return outcome;
  };
  return { key, id, folder, sign };
}

/** Writes `<name>.key` and `<name>.pub` into the folder, without a password. */
export async function writeKey(folder: string, name: string, key: SecretKey): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const secret = await serializeSecretKey(key, { password: undefined });
  writeFileSync(join(folder, `${name}.key`), secret, { mode: 0o600 });
  writeFileSync(join(folder, `${name}.pub`), serializePublicKey(key.publicKey));
}

/** The manifest that waits in the project, where there is only one. */
export function waitingIn(site: Project): string {
  const toSign = join(site.directory, '.release/to-sign');
  return join(toSign, readdirSync(toSign)[0] ?? '', 'manifest.json');
}
