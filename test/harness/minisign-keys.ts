/** Keys and signatures as tests need them, and files with one byte put elsewhere. */
import {
  generateKeyPair,
  parseSecretKey,
  serializeSecretKey,
  type SecretKey,
} from '@landfall/minisign';
import { onTestFinished } from 'vitest';

/** scrypt limits that cost a millisecond instead of 1 GiB. */
export const CHEAP = { opslimit: 32_768, memlimit: 16 * 1024 * 1024 };

/** A key that is destroyed when the running test ends. */
export function testKey(): SecretKey {
  const key = generateKeyPair();
  onTestFinished(() => key.destroy());
  return key;
}

/**
 * The same key under another id, made as an attacker would: by writing the id
 * into the key's file.
 */
export async function relabelled(key: SecretKey, keyId: Uint8Array): Promise<SecretKey> {
  const text = await serializeSecretKey(key, { password: undefined });
  const zeroChecksum = editBase64Line(text, 1, (file) => {
    file.set(keyId, 54);
    file.fill(0, 126);
  });
  return parseSecretKey(zeroChecksum, () => undefined);
}

/** `text` with the bytes that its line `index` (from 0) encodes changed by `edit`. */
export function editBase64Line(text: string, index: number, edit: (bytes: Buffer) => void): string {
  const lines = text.split('\n');
  const bytes = Buffer.from(lines[index] ?? '', 'base64');
  edit(bytes);
  lines[index] = bytes.toString('base64');
  return lines.join('\n');
}

/** Changes the line `index` (from 0) of a file. */
export function editLine(
  index: number,
  change: (line: string) => string,
): (text: string) => string {
  return (text) =>
    text
      .split('\n')
      .map((line, at) => (at === index ? change(line) : line))
      .join('\n');
}

/** Sets the lowest of the bits in the last base64 digit that encode nothing. */
export function spareBit(line: string): string {
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  return line.replace(/[^=](?==)/, (digit) => digits[digits.indexOf(digit) ^ 1] ?? '');
}
