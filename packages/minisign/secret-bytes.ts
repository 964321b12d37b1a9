/**
 * Memory for secrets. V8 keeps small arrays inside its heap, copies them when it
 * tidies up, and clears none of the copies; what has an ArrayBuffer of its own
 * stays in one place, where `fill(0)` wipes it. Strings cannot be wiped at all, so
 * a secret key's text is decoded from bytes to bytes.
 */

/** Zeroed memory in one place. The caller wipes it. */
export function secretBytes(length: number): Buffer<ArrayBuffer> {
  return Buffer.from(new ArrayBuffer(length));
}

/** A copy in memory of its own. The caller wipes it. */
export function copySecret(bytes: Uint8Array): Buffer<ArrayBuffer> {
  const copy = secretBytes(bytes.length);
  copy.set(bytes);
  return copy;
}

/**
 * The bytes that base64 text encodes, or undefined when it is not canonical: the
 * standard alphabet with padding, no other bits set. The caller wipes them.
 */
export function decodeSecretBase64(text: Uint8Array): Buffer | undefined {
  if (text.length === 0 || text.length % 4 !== 0) return undefined;
  const padding = text.at(-1) !== 0x3d ? 0 : text.at(-2) === 0x3d ? 2 : 1;
  const bytes = secretBytes((text.length / 4) * 3 - padding);
  let bits = 0;
  let at = 0;
  for (const [index, character] of text.subarray(0, text.length - padding).entries()) {
    const digit = digitOf(character);
    if (digit === undefined) {
      bytes.fill(0);
      return undefined;
    }
    bits = ((bits << 6) | digit) & 0xff_ffff;
    // Every digit but the first of four completes a byte.
    const left = [undefined, 4, 2, 0][index % 4];
    if (left !== undefined) bytes[at++] = (bits >> left) & 0xff;
  }
  if ((bits & ([0, 0b11, 0b1111][padding] ?? 0)) === 0) return bytes;
  bytes.fill(0);
  return undefined;
}

function digitOf(character: number): number | undefined {
  if (character >= 0x41 && character <= 0x5a) return character - 0x41;
  if (character >= 0x61 && character <= 0x7a) return character - 0x61 + 26;
  if (character >= 0x30 && character <= 0x39) return character - 0x30 + 52;
  if (character === 0x2b) return 62;
  return character === 0x2f ? 63 : undefined;
}
