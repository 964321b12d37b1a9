/**
 * minisign's public keys: `Ed`, 8 bytes of key id, 32 bytes of key, in base64;
 * alone (`RW…`) or as the second line of a file.
 * Format: https://jedisct1.github.io/minisign/#public-key-format
 */
import { PUBLIC_KEY_BYTES } from './ed25519.ts';
import { isCanonicalPoint, isSmallOrder } from './small-order.ts';
import {
  MAX_UNTRUSTED_LINE_BYTES,
  readBase64,
  readComment,
  readLines,
  readText,
  refuse,
  toCommentLine,
  UNTRUSTED_PREFIX,
  type Subject,
} from './text.ts';

/** What stands between algorithm and key in minisign's format. */
export const KEY_ID_BYTES = 8;
/** `Ed` on keys, whatever the kind of their signatures. */
export const KEY_ALGORITHM = 'Ed';
const MAX_PUBLIC_KEY_FILE_BYTES = 2048;

/** An Ed25519 key with the id that signatures name it by. */
export interface PublicKey {
  /** 8 bytes, chosen at random when the key was made. Finds a key, proves nothing. */
  readonly keyId: Uint8Array;
  /** 32 bytes. */
  readonly key: Uint8Array;
  /** The untrusted comment, when the key came from a file. */
  readonly comment?: string;
}

/** A key id as minisign prints it: a little-endian number in upper-case hex, without leading zeros. */
export function formatKeyId(keyId: Uint8Array): string {
  const hex = Buffer.from(keyId.toReversed()).toString('hex').toUpperCase();
  return hex.replace(/^0+(?=.)/, '');
}

/** Whether two keys are one, whatever their ids: ids can be chosen, keys cannot. */
export function sameKey(a: PublicKey, b: PublicKey): boolean {
  return Buffer.from(a.key).equals(b.key);
}

/**
 * Reads a public key, bare or as a file. Throws `MinisignError` KEY_INVALID,
 * also for a key of small order. `name` is what errors call it.
 */
export function parsePublicKey(text: string | Uint8Array, name = 'public key'): PublicKey {
  const subject: Subject = {
    code: 'KEY_INVALID',
    name,
    hint: "expected the RW… line of a .pub file, or the whole file, as 'minisign -G' or 'release keygen' wrote it",
  };
  const content = readText(text, MAX_PUBLIC_KEY_FILE_BYTES, subject);
  if (!/\n./s.test(content)) return decodePublicKey(readLines(content, 1, subject)[0], subject);
  const [first, second] = readLines(content, 2, subject);
  const comment = readComment(first, UNTRUSTED_PREFIX, MAX_UNTRUSTED_LINE_BYTES, subject);
  return { ...decodePublicKey(second, subject), comment };
}

function decodePublicKey(line: string | undefined, subject: Subject): PublicKey {
  const bytes = readBase64(line, 2 + KEY_ID_BYTES + PUBLIC_KEY_BYTES, subject);
  const algorithm = bytes.toString('latin1', 0, 2);
  if (algorithm !== KEY_ALGORITHM) {
    refuse(
      subject,
      `expected algorithm '${KEY_ALGORITHM}', found bytes ${bytes.toString('hex', 0, 2)}`,
    );
  }
  const key = new Uint8Array(bytes.subarray(2 + KEY_ID_BYTES));
  if (isSmallOrder(key) || !isCanonicalPoint(key)) {
    refuse(
      subject,
      'expected a key that only its owner can sign for, found a point of small order or a second encoding of one',
      'nobody makes such a key by chance: find out where it came from',
    );
  }
  return { keyId: new Uint8Array(bytes.subarray(2, 2 + KEY_ID_BYTES)), key };
}

/** The bare line: `RW…`, 56 characters. */
export function publicKeyBase64(key: PublicKey): string {
  return Buffer.concat([Buffer.from(KEY_ALGORITHM), key.keyId, key.key]).toString('base64');
}

/** The text of a `.pub` file. The comment is minisign's own unless told. */
export function serializePublicKey(
  key: PublicKey,
  comment = `minisign public key ${formatKeyId(key.keyId)}`,
): string {
  const line = toCommentLine(comment, UNTRUSTED_PREFIX, MAX_UNTRUSTED_LINE_BYTES);
  return `${line}\n${publicKeyBase64(key)}\n`;
}
