/**
 * minisign's signature file, four lines:
 *
 *     untrusted comment: <anything; nobody signs it>
 *     base64 of 'ED', key id (8), signature of BLAKE2b-512 of the message (64)
 *     trusted comment: <signed text>
 *     base64 of the signature of (signature || trusted comment) (64)
 *
 * Prehashed signatures (`ED`) only. The algorithm is not signed, so a reader
 * that takes both kinds can be handed a legacy signature under the new name;
 * one that takes a single kind, made by signers that make no other, cannot.
 * Format: https://jedisct1.github.io/minisign/#signature-format
 */
import { SIGNATURE_BYTES } from './ed25519.ts';
import { KEY_ID_BYTES } from './public-key.ts';
import {
  MAX_TRUSTED_LINE_BYTES,
  MAX_UNTRUSTED_LINE_BYTES,
  readBase64,
  readComment,
  readLines,
  readText,
  refuse,
  toCommentLine,
  TRUSTED_PREFIX,
  UNTRUSTED_PREFIX,
  type Subject,
} from './text.ts';

const SIGNATURE_ALGORITHM = 'ED';
/** No signature file is larger; a reader stops there. */
export const MAX_SIGNATURE_FILE_BYTES = 10 * 1024;

/** A signature that reads well. Nothing in it is to be believed before `verify`. */
export interface Signature {
  /** 8 bytes: which key it claims to be by. */
  readonly keyId: Uint8Array;
  /** 64 bytes over the BLAKE2b-512 of the message. */
  readonly signature: Uint8Array;
  /** 64 bytes over `signature` and the trusted comment. */
  readonly globalSignature: Uint8Array;
  readonly untrustedComment: string;
  /** Becomes trusted by `verify`, which returns it. */
  readonly unverifiedTrustedComment: string;
}

/**
 * Reads a signature file. Throws `MinisignError` SIGNATURE_INVALID. `name` is
 * what errors call it.
 */
export function parseSignature(text: string | Uint8Array, name = 'signature'): Signature {
  const subject: Subject = {
    code: 'SIGNATURE_INVALID',
    name,
    hint: 'expected a .minisig file as minisign or release ship writes it: fetch it again, or from another mirror',
  };
  const content = readText(text, MAX_SIGNATURE_FILE_BYTES, subject);
  const [first, second, third, fourth] = readLines(content, 4, subject);
  const untrustedComment = readComment(first, UNTRUSTED_PREFIX, MAX_UNTRUSTED_LINE_BYTES, subject);
  const bytes = readBase64(second, 2 + KEY_ID_BYTES + SIGNATURE_BYTES, subject);
  refuseOtherAlgorithm(bytes, subject);
  return {
    keyId: new Uint8Array(bytes.subarray(2, 2 + KEY_ID_BYTES)),
    signature: new Uint8Array(bytes.subarray(2 + KEY_ID_BYTES)),
    globalSignature: new Uint8Array(readBase64(fourth, SIGNATURE_BYTES, subject)),
    untrustedComment,
    unverifiedTrustedComment: readComment(third, TRUSTED_PREFIX, MAX_TRUSTED_LINE_BYTES, subject),
  };
}

function refuseOtherAlgorithm(bytes: Buffer, subject: Subject): void {
  const algorithm = bytes.toString('latin1', 0, 2);
  if (algorithm === SIGNATURE_ALGORITHM) return;
  if (algorithm === 'Ed') {
    refuse(
      subject,
      "expected a prehashed signature ('ED'), found a legacy one ('Ed')",
      "sign again without 'minisign -l'",
    );
  }
  refuse(subject, `expected algorithm 'ED', found bytes ${bytes.toString('hex', 0, 2)}`);
}

/** What the global signature is over. */
export function globalMessage(signature: Uint8Array, trustedComment: string): Uint8Array {
  return Buffer.concat([signature, Buffer.from(trustedComment, 'utf8')]);
}

/** The text of a signature file. Throws `MinisignError` COMMENT_INVALID. */
export function serializeSignature(signature: Signature): string {
  const { keyId, signature: bytes, globalSignature } = signature;
  return [
    toCommentLine(signature.untrustedComment, UNTRUSTED_PREFIX, MAX_UNTRUSTED_LINE_BYTES),
    Buffer.concat([Buffer.from(SIGNATURE_ALGORITHM), keyId, bytes]).toString('base64'),
    toCommentLine(signature.unverifiedTrustedComment, TRUSTED_PREFIX, MAX_TRUSTED_LINE_BYTES),
    Buffer.from(globalSignature).toString('base64'),
    '',
  ].join('\n');
}
