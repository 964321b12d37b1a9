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
/** Where keys are listed that `keys.root` tells of, for messages. */
export const ROOT_DOCUMENT = 'the root document';

/** Keys that are to sign; the caller destroys them. */
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
  try {
    for (const file of secret) {
      const path = resolve(settings.directory, file);
      if (away.includes(file) || isKnownSigner(path, signers)) continue;
      keys.push(await openKey(file, path, policy.keys, whereKeysAre(settings), settings.roots));
    }
  } catch (error) {
    for (const key of keys) key.destroy();
    throw error;
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
  const dropped = droppedBy(line, roots);
  if (dropped === undefined) {
    return `if it is the right key, ${where === KEYS_PUBLIC ? `add '${line}' to ${where}` : `'release trust rotate' adds '${line}'`}`;
  }
  const { version, roles, kept } = dropped;
  return kept.length === 0
    ? `it was dropped by root document ${version}: take it out of 'keys.secret', and sign with the key that took its place`
    : `it was dropped for ${roles.join(', ')} by root document ${version}, and still signs for ${kept.join(', ')}: use it for that alone, and here the key that took its place`;
}

/** The root document that dropped a key, for what (the newest does not list it for that either), and what it is still listed for. */
function droppedBy(
  line: string,
  roots: readonly RootStep[],
): { version: number; roles: string[]; kept: string[] } | undefined {
  const rolesOf = ({ root }: RootStep): string[] => [
    ...(root.root.keys.includes(line) ? ['the root document'] : []),
    ...root.channels.flatMap(({ channel, keys }) =>
      keys.includes(line) ? [`channel '${channel}'`] : [],
    ),
  ];
  const newest = roots.at(-1);
  const kept = newest === undefined ? [] : rolesOf(newest);
  const lost = (each: RootStep): string[] => rolesOf(each).filter((role) => !kept.includes(role));
  const last = roots.findLast((each) => lost(each).length > 0);
  return last && { version: last.root.version + 1, roles: lost(last), kept };
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
