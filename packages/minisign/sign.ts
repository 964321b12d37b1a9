/** Signing and verifying. Both are pure: no clock, no disk, the same result every time. */
import { verifyRaw } from './ed25519.ts';
import { MinisignError } from './errors.ts';
import { blake2b512 } from './hashes.ts';
import { formatKeyId, type PublicKey } from './public-key.ts';
import type { SecretKey } from './secret-key.ts';
import { globalMessage, serializeSignature, type Signature } from './signature.ts';

/** The two comments of a signature file, without their prefixes. */
export interface SignOptions {
  /** One line, signed with the message. */
  trustedComment: string;
  /** One line, signed by nobody; minisign's own unless told. */
  untrustedComment?: string;
}

/** The text of the `.minisig` file for `message`. Throws `MinisignError` COMMENT_INVALID. */
export function sign(key: SecretKey, message: Uint8Array, options: SignOptions): string {
  const signature = key.signBytes(blake2b512(message));
  return serializeSignature({
    keyId: key.keyId,
    signature,
    globalSignature: key.signBytes(globalMessage(signature, options.trustedComment)),
    untrustedComment: options.untrustedComment ?? 'signature from minisign secret key',
    unverifiedTrustedComment: options.trustedComment,
  });
}

/**
 * Returns the trusted comment when `signature` is by `key` over `message` and
 * the comment. Throws `MinisignError` SIGNATURE_MISMATCH otherwise:
 *
 * 1. the key id in the signature is the key's,
 * 2. the signature is over the message's BLAKE2b-512,
 * 3. the global signature is over the signature and the trusted comment.
 */
export function verify(
  message: Uint8Array,
  signature: Signature,
  key: PublicKey,
): { trustedComment: string } {
  const trustedComment = signature.unverifiedTrustedComment;
  const id = formatKeyId(key.keyId);
  if (!Buffer.from(signature.keyId).equals(key.keyId)) {
    throw new MinisignError(
      'SIGNATURE_MISMATCH',
      `signature is by another key: expected key id ${id}, found ${formatKeyId(signature.keyId)}`,
      { hint: 'check that the right public key is configured' },
    );
  }
  if (!verifyRaw(key.key, blake2b512(message), signature.signature)) {
    throw new MinisignError(
      'SIGNATURE_MISMATCH',
      `signature does not verify: expected one by key ${id} over these ${message.length} bytes, found one over other bytes or by another key`,
      { hint: 'the file or its signature was changed: fetch both again, or from another mirror' },
    );
  }
  const signed = globalMessage(signature.signature, trustedComment);
  if (!verifyRaw(key.key, signed, signature.globalSignature)) {
    throw new MinisignError(
      'SIGNATURE_MISMATCH',
      `trusted comment does not verify: expected it to be signed by key ${id}, found another comment or signature`,
      { hint: 'the signature file was changed: fetch it again, or from another mirror' },
    );
  }
  return { trustedComment };
}
