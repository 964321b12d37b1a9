/**
 * Signatures of several people on one document. The document stands on a disk
 * with its signatures beside it, each in a file of its own; people add theirs
 * in any order, on any machine, with `release sign` or with minisign itself,
 * and send the file.
 *
 * Invariant: the document's bytes are never written again once it stands
 * there. A signature that does not fit counts nothing and spoils nothing. A
 * crash leaves a signature file whole or not at all.
 */
import { readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { crashPoint } from '@landfall/cli';
import { writeFileDurably } from '@landfall/durable';
import { signaturePath } from '@landfall/manifest';
import {
  formatKeyId,
  MAX_SIGNATURE_FILE_BYTES,
  type PublicKey,
  sameKey,
  type SecretKey,
  sign,
} from '@landfall/minisign';
import { MAX_SIGNATURES, TrustError, type TrustPolicy, verifySignatures } from '@landfall/trust';
import { ReleaseError } from './errors.ts';
import { readSmallFile } from './files.ts';

/** What stands beside a document. */
export interface Collected {
  /** Keys of the policy that signed exactly these bytes, in the policy's order. */
  readonly signers: readonly PublicKey[];
  /** Those that have not. */
  readonly missing: readonly PublicKey[];
  /** One signature file of each signer, by the ending under which it is published. */
  readonly signatures: ReadonlyMap<string, string>;
  /** Names of signature files that count nothing: by no key that counts, or over other bytes. */
  readonly ignored: readonly string[];
}

/** Looks at every signature beside the document at `path`. Changes nothing. Throws `ReleaseError` DAMAGED. */
export function collectSignatures(path: string, bytes: Uint8Array, policy: TrustPolicy): Collected {
  const found = new Map<PublicKey, string>();
  const ignored: string[] = [];
  for (const name of signatureFilesOf(path)) {
    const text = readSmallFile(join(dirname(path), name), MAX_SIGNATURE_FILE_BYTES)?.toString();
    if (text === undefined) continue;
    const signer = signerOf(bytes, text, policy);
    if (signer === undefined) ignored.push(name);
    else if (!found.has(signer)) found.set(signer, text);
  }
  const signers = policy.keys.filter((key) => found.has(key));
  return {
    signers,
    missing: policy.keys.filter((key) => !found.has(key) && !hasSigned(signers, key)),
    signatures: toEndings(signers, found),
    ignored,
  };
}

/** Whether `key` is one of those that signed. */
export function hasSigned(signers: readonly PublicKey[], key: PublicKey): boolean {
  return signers.some((each) => sameKey(each, key));
}

/** Signs `bytes` and puts the signature beside the document at `path`; the signature's path. */
export function addSignature(
  path: string,
  bytes: Uint8Array,
  key: SecretKey,
  trustedComment: string,
): string {
  const to = signaturePath(path, formatKeyId(key.keyId));
  // Whole under its name or not there: what is there if the power goes now can be signed again.
  writeFileDurably(to, sign(key, bytes, { trustedComment }), { mode: 0o644 });
  crashPoint('sign-signature-written');
  return to;
}

/** The first signer's file gets the plain name, as where one person signs alone. */
function toEndings(
  signers: readonly PublicKey[],
  found: ReadonlyMap<PublicKey, string>,
): Map<string, string> {
  return new Map(
    signers.map((key, index) => [
      signaturePath('', index === 0 ? undefined : formatKeyId(key.keyId)),
      found.get(key) ?? '',
    ]),
  );
}

/** Names of files beside `path` that may be its signatures: `<name>.minisig`, `<name>.<anything>.minisig`. */
function signatureFilesOf(path: string): string[] {
  const name = basename(path);
  const names = readdirSync(dirname(path)).filter(
    (each) => each.startsWith(`${name}.`) && each.endsWith('.minisig'),
  );
  if (names.length <= MAX_SIGNATURES) return names.toSorted();
  throw new ReleaseError(
    'DAMAGED',
    `'${path}' has too many signatures beside it: expected at most ${MAX_SIGNATURES}, found ${names.length}`,
    { hint: 'remove those that do not belong there' },
  );
}

/** The key of the policy that made a signature; undefined when none of them did over these bytes. */
function signerOf(bytes: Uint8Array, text: string, policy: TrustPolicy): PublicKey | undefined {
  try {
    return verifySignatures(bytes, [text], { ...policy, threshold: 1 }).signers[0];
  } catch (error) {
    if (error instanceof TrustError && error.code === 'UNTRUSTED') return undefined;
    throw error;
  }
}
