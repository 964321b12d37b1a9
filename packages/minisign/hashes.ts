/**
 * BLAKE2b without a key, as libsodium's `crypto_generichash` makes it. OpenSSL
 * has it with 64 bytes of output only; other lengths are other functions, not
 * cut-off ones, so the 32 bytes of a key's checksum come from @noble/hashes.
 */
import { createHash } from 'node:crypto';
import { blake2b } from '@noble/hashes/blake2.js';

/** What a prehashed signature is made over: 64 bytes. */
export function blake2b512(message: Uint8Array): Uint8Array {
  return createHash('blake2b512').update(message).digest();
}

/** The checksum in a secret key: 32 bytes. */
export function blake2b256(message: Uint8Array): Uint8Array {
  return blake2b(message, { dkLen: 32 });
}
