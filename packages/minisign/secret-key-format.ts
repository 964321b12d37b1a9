/**
 * minisign's secret key file: a comment line and one line of base64, 158 bytes:
 *
 *     0  'Ed'   2  'Sc' (scrypt) or two zero bytes (no password)   4  'B2'
 *     6  salt (32)   38  opslimit (8, little-endian)   46  memlimit (8)
 *     54 key id (8), seed (32), public key (32), checksum (32)
 *
 * The last 104 bytes are XORed with scrypt's output when there is a password.
 * The checksum is BLAKE2b-256 over 'Ed', key id, seed and public key; keys
 * made with `minisign -W` have zeros there.
 * Source: minisign 0.11, `minisign.h` and `minisign.c`.
 */
import { randomBytes } from 'node:crypto';
import { SEED_BYTES } from './ed25519.ts';
import { MinisignError } from './errors.ts';
import { blake2b256 } from './hashes.ts';
import { KEY_ALGORITHM, KEY_ID_BYTES } from './public-key.ts';
import { DEFAULT_MEMLIMIT, DEFAULT_OPSLIMIT, deriveKeyStream } from './scrypt.ts';
import { decodeSecretBase64 } from './secret-bytes.ts';
import { SecretKey } from './secret-key.ts';
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

/** A file of more bytes is refused as KEY_INVALID. */
export const MAX_SECRET_KEY_FILE_BYTES = 2048;
const FILE_BYTES = 158;
const SALT = 6;
const OPSLIMIT = 38;
const MEMLIMIT = 46;
const SECRET = 54;
const SECRET_BYTES = FILE_BYTES - SECRET;
const SEED = KEY_ID_BYTES;
const CHECKSUM = SEED + 64;
/** minisign reads passwords as one line of at most this. */
const MAX_PASSWORD_BYTES = 1023;

/** Gives the password of an encrypted key, or undefined when there is none; asked only when one is needed. */
export type PasswordProvider = () => string | undefined | Promise<string | undefined>;

/** How a secret key file is encrypted, and what its comment says. */
export interface SerializeSecretKeyOptions {
  /** Undefined: the file is not encrypted, as `minisign -W` makes it. */
  password: string | undefined;
  comment?: string;
  /** scrypt limits, as libsodium counts; minisign's defaults (1 GiB) unless told. */
  opslimit?: number;
  memlimit?: number;
}

/**
 * The text of a secret key file. Throws `MinisignError` PASSWORD_INVALID,
 * COMMENT_INVALID, KEY_INVALID (scrypt limits out of bounds), KEY_DERIVATION.
 */
export async function serializeSecretKey(
  key: SecretKey,
  options: SerializeSecretKeyOptions,
): Promise<string> {
  const { password, comment = 'minisign encrypted secret key' } = options;
  const line = toCommentLine(comment, UNTRUSTED_PREFIX, MAX_UNTRUSTED_LINE_BYTES);
  const file = Buffer.alloc(FILE_BYTES);
  try {
    file.write(KEY_ALGORITHM, 0, 'latin1');
    file.write('B2', 4, 'latin1');
    writeSecret(file.subarray(SECRET), key);
    if (password !== undefined) {
      checkNewPassword(password);
      file.write('Sc', 2, 'latin1');
      randomBytes(32).copy(file, SALT);
      file.writeBigUInt64LE(BigInt(options.opslimit ?? DEFAULT_OPSLIMIT), OPSLIMIT);
      file.writeBigUInt64LE(BigInt(options.memlimit ?? DEFAULT_MEMLIMIT), MEMLIMIT);
      await applyKeyStream(file, password, 'secret key');
    }
    return `${line}\n${file.toString('base64')}\n`;
  } finally {
    file.fill(0);
  }
}

function writeSecret(secret: Buffer, key: SecretKey): void {
  const seed = key.copySeed();
  secret.set(key.keyId);
  secret.set(seed, SEED);
  secret.set(key.publicKey.key, SEED + SEED_BYTES);
  seed.fill(0);
  secret.set(checksum(secret), CHECKSUM);
}

/**
 * Reads a secret key, asking for the password only when the key has one.
 * Throws `MinisignError` KEY_INVALID, PASSWORD_NEEDED, PASSWORD_WRONG,
 * KEY_DERIVATION. `name` is what errors call it.
 */
export async function parseSecretKey(
  text: string | Uint8Array,
  password: PasswordProvider,
  name = 'secret key',
): Promise<SecretKey> {
  const subject: Subject = {
    code: 'KEY_INVALID',
    name,
    hint: "expected the .key file that 'minisign -G' or 'release keygen' wrote; restore it from a backup if it was changed",
  };
  const file = readSecretFile(text, subject);
  try {
    const encrypted = readAlgorithms(file, subject);
    if (encrypted) await applyKeyStream(file, await askPassword(password, name), name);
    return readSecret(file.subarray(SECRET), encrypted, subject);
  } finally {
    file.fill(0);
  }
}

/** The bytes of the second line. Of a file as bytes they never become a string. */
function readSecretFile(text: string | Uint8Array, subject: Subject): Buffer {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  const end = bytes.indexOf(0x0a);
  const isLine = bytes.length <= MAX_SECRET_KEY_FILE_BYTES && end >= 0;
  const line = bytes.subarray(end + 1, bytes.at(-1) === 0x0a ? -1 : undefined);
  const secret = isLine ? decodeSecretBase64(line) : undefined;
  if (secret?.length !== FILE_BYTES) {
    secret?.fill(0);
    // It is no key. What is wrong with it is told of the whole text.
    const content = readText(text, MAX_SECRET_KEY_FILE_BYTES, subject);
    const [first, second] = readLines(content, 2, subject);
    readComment(first, UNTRUSTED_PREFIX, MAX_UNTRUSTED_LINE_BYTES, subject);
    return readBase64(second, FILE_BYTES, subject);
  }
  const comment = readText(bytes.subarray(0, end), MAX_SECRET_KEY_FILE_BYTES, subject);
  readComment(comment, UNTRUSTED_PREFIX, MAX_UNTRUSTED_LINE_BYTES, subject);
  return secret;
}

/** Whether the key has a password. */
function readAlgorithms(file: Buffer, subject: Subject): boolean {
  const [signing, kdf, check] = [0, 2, 4].map((at) => file.toString('hex', at, at + 2));
  if (signing !== '4564') refuse(subject, `expected algorithm 'Ed', found bytes ${signing}`);
  if (check !== '4232') refuse(subject, `expected checksum 'B2', found bytes ${check}`);
  if (kdf !== '5363' && kdf !== '0000') {
    refuse(subject, `expected key derivation 'Sc' or none, found bytes ${kdf}`);
  }
  return kdf === '5363';
}

async function askPassword(password: PasswordProvider, name: string): Promise<string> {
  const given = await password();
  if (given !== undefined) return given;
  throw new MinisignError('PASSWORD_NEEDED', `${name}: expected a password, found none`, {
    hint: 'give the password of this key at the prompt or in the environment',
  });
}

/** Checks what was read against itself: the checksum, and that the seed makes the public key. */
function readSecret(secret: Buffer, encrypted: boolean, subject: Subject): SecretKey {
  const stored = secret.subarray(CHECKSUM);
  const unset = !encrypted && stored.every((byte) => byte === 0);
  if (!unset && !stored.equals(checksum(secret))) {
    if (!encrypted) refuse(subject, 'expected the checksum of its content, found another');
    throw new MinisignError(
      'PASSWORD_WRONG',
      `${subject.name}: expected the password that the key was encrypted with, found another (or a damaged file)`,
      { hint: 'check the password; it is case-sensitive and a space at its end counts' },
    );
  }
  const key = new SecretKey(
    secret.subarray(0, KEY_ID_BYTES),
    secret.subarray(SEED, SEED + SEED_BYTES),
  );
  if (!secret.subarray(SEED + SEED_BYTES, CHECKSUM).equals(key.publicKey.key)) {
    key.destroy();
    refuse(subject, 'expected its public half to belong to its secret half, found another');
  }
  return key;
}

function checksum(secret: Buffer): Uint8Array {
  const input = Buffer.concat([Buffer.from(KEY_ALGORITHM), secret.subarray(0, CHECKSUM)]);
  try {
    return blake2b256(input);
  } finally {
    input.fill(0);
  }
}

/** Encrypts or decrypts in place. */
async function applyKeyStream(file: Buffer, password: string, name: string): Promise<void> {
  const limits = {
    opslimit: file.readBigUInt64LE(OPSLIMIT),
    memlimit: file.readBigUInt64LE(MEMLIMIT),
  };
  const bytes = new TextEncoder().encode(password);
  const salt = file.subarray(SALT, OPSLIMIT);
  try {
    const stream = await deriveKeyStream(bytes, salt, limits, SECRET_BYTES, name);
    for (const [index, byte] of stream.entries()) {
      file[SECRET + index] = (file[SECRET + index] ?? 0) ^ byte;
    }
    stream.fill(0);
  } finally {
    bytes.fill(0);
  }
}

/** Only what minisign could be given too, and not the empty one, which protects nothing. */
function checkNewPassword(password: string): void {
  const size = Buffer.byteLength(password);
  const problem =
    size === 0
      ? 'expected a password, found an empty one'
      : size > MAX_PASSWORD_BYTES
        ? `expected a password of at most ${MAX_PASSWORD_BYTES} bytes, found ${size}`
        : /[\0\r\n]/.test(password) || !password.isWellFormed()
          ? 'expected a password of one line, found other characters in it'
          : undefined;
  if (problem === undefined) return;
  throw new MinisignError('PASSWORD_INVALID', `secret key: ${problem}`, {
    hint: 'choose another password, or make a key without one on purpose',
  });
}
