/**
 * Opening the secret keys that sign here. A key that nodes would not count
 * signs nothing. Callers destroy what they get; nothing is written.
 */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { OtaError } from '@landfall/errors';
import {
  formatKeyId,
  parsePublicKey,
  publicKeyBase64,
  type PublicKey,
  readSecretKeyFile,
  sameKey,
  type SecretKey,
} from '@landfall/minisign';
import { collectSignatures, hasSigned } from './collect.ts';
import type { LooseSettings } from './config.ts';
import { ReleaseError } from './errors.ts';
import { passwordFor } from './password.ts';
import type { RootStep } from './roots.ts';
import type { Shipment } from './shipment.ts';

const KEYS_PUBLIC = "'keys.public'";

/** What says which keys count, for messages. */
export function whereKeysAre({ keys }: LooseSettings): string {
  return keys.root === undefined ? KEYS_PUBLIC : ROOT_DOCUMENT;
}
export const ROOT_DOCUMENT = 'the root document';

export interface Opened {
  readonly keys: SecretKey[];
  /** What people should know: keys that are left out, and why. */
  readonly notes: readonly string[];
}

/**
 * The secret keys of the configuration that are needed: none for a draft that
 * has its signatures, and not those that signed it already. Where several must
 * sign, a file that is not on this machine is somebody else's, and left out.
 * Throws `MinisignError`, `ReleaseError` KEY_MISSING, KEY_MISMATCH.
 */
export async function openKeys({
  settings,
  expected: { policy },
  draft,
}: Pick<Shipment, 'settings' | 'expected'> & {
  draft?: { path: string; bytes: Uint8Array } | undefined;
}): Promise<Opened> {
  const { secret } = settings.keys;
  const signers =
    draft === undefined ? [] : collectSignatures(draft.path, draft.bytes, policy).signers;
  if (signers.length >= policy.threshold) return { keys: [], notes: [] };
  if (secret.length === 0) {
    throw new ReleaseError(
      'KEY_MISSING',
      "'keys.secret': expected at least 1 secret key file, found 0",
      { hint: "'release keygen' makes one; name its file in the configuration" },
    );
  }
  const isHere = (file: string): boolean => existsSync(resolve(settings.directory, file));
  const mayBeAway = policy.threshold > 1 && secret.some(isHere);
  const away = secret.filter((file) => mayBeAway && !isHere(file));
  const keys: SecretKey[] = [];
  for (const file of secret) {
    const path = resolve(settings.directory, file);
    if (away.includes(file) || isKnownSigner(path, signers)) continue;
    keys.push(await openKey(file, path, policy.keys, whereKeysAre(settings), settings.roots));
  }
  return { keys, notes: away.map((file) => `secret key '${file}' is not on this machine`) };
}

/**
 * Opens one secret key; with `trusted`, only if it is one of those, which stand
 * in `where`. `file` is what the key is called, `roots` tells which were dropped. Throws `MinisignError`, `ReleaseError` KEY_MISSING, KEY_MISMATCH.
 */
export async function openKey(
  file: string,
  path: string,
  trusted: readonly PublicKey[] | undefined,
  where: string,
  roots: readonly RootStep[] = [],
): Promise<SecretKey> {
  const key = await readSecretKeyFile(path, () => passwordFor(file));
  if (trusted === undefined || trusted.some((each) => sameKey(each, key.publicKey))) return key;
  key.destroy();
  const line = publicKeyBase64(key.publicKey);
  throw new ReleaseError(
    'KEY_MISMATCH',
    `secret key '${file}' is ${formatKeyId(key.keyId)}: expected its public key in ${where}, found ${trusted.map((each) => formatKeyId(each.keyId)).join(', ')}`,
    { hint: hintFor(line, where, roots) },
  );
}

/** What was dropped on purpose, and may be stolen, is never to be added again. */
function hintFor(line: string, where: string, roots: readonly RootStep[]): string {
  const version = droppedBy(line, roots);
  if (version !== undefined) {
    return `it was dropped by root document ${version}: take it out of 'keys.secret', and sign with the key that took its place`;
  }
  return `if it is the right key, ${where === KEYS_PUBLIC ? `add '${line}' to ${where}` : `'release trust rotate' adds '${line}'`}`;
}

/** The version of the root document that no longer lists a key which the one before it did, if the newest does not either. */
function droppedBy(line: string, roots: readonly RootStep[]): number | undefined {
  const lists = ({ root }: RootStep): boolean =>
    [root.root, ...root.channels].some(({ keys }) => keys.includes(line));
  const newest = roots.at(-1);
  // One that still signs something is not to be taken out.
  if (newest === undefined || lists(newest)) return undefined;
  const last = roots.findLast(lists);
  return last && last.root.version + 1;
}

/** Whether the public key beside the secret one signed already: then no password is asked for. */
function isKnownSigner(path: string, signers: readonly PublicKey[]): boolean {
  const file = `${path.replace(/\.key$/, '')}.pub`;
  if (signers.length === 0 || !existsSync(file)) return false;
  try {
    return hasSigned(signers, parsePublicKey(readFileSync(file)));
  } catch (error) {
    if (error instanceof OtaError) return false;
    throw error;
  }
}
