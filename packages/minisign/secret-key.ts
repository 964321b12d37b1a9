/**
 * A secret key in memory. Its seed is in a field that neither printing nor
 * JSON shows, and is zeroed by `destroy()`; after that the key signs nothing.
 */
import { randomBytes, randomFillSync } from 'node:crypto';
import { publicKeyOfSeed, SEED_BYTES, signRaw } from './ed25519.ts';
import { MinisignError } from './errors.ts';
import { copySecret, secretBytes } from './secret-bytes.ts';
import { KEY_ID_BYTES, type PublicKey } from './public-key.ts';

/** Signs until `destroy`; then `signBytes` and `copySeed` throw `MinisignError` KEY_INVALID. */
export class SecretKey {
  readonly publicKey: PublicKey;
  readonly #seed: Uint8Array;
  #destroyed = false;

  /** Takes a copy of `seed` (32 bytes); the caller wipes its own. */
  constructor(keyId: Uint8Array, seed: Uint8Array) {
    this.#seed = copySecret(seed);
    this.publicKey = { keyId: Uint8Array.from(keyId), key: publicKeyOfSeed(this.#seed) };
  }

  get keyId(): Uint8Array {
    return this.publicKey.keyId;
  }

  /** The plain Ed25519 signature of `message`: 64 bytes. For files use `sign`. */
  signBytes(message: Uint8Array): Uint8Array {
    return signRaw(this.#living(), message);
  }

  /** A copy of the seed, for writing the key; the caller wipes it. */
  copySeed(): Uint8Array {
    return copySecret(this.#living());
  }

  /** Zeroes the seed. Safe to call again. */
  destroy(): void {
    this.#seed.fill(0);
    this.#destroyed = true;
  }

  #living(): Uint8Array {
    if (!this.#destroyed) return this.#seed;
    throw new MinisignError(
      'KEY_INVALID',
      'secret key: expected a key in use, found a destroyed one',
      {
        hint: 'this is a fault of the program: it used a key after it was done with it',
      },
    );
  }
}

/** A new key with a random id. */
export function generateKeyPair(): SecretKey {
  const seed = randomFillSync(secretBytes(SEED_BYTES));
  try {
    return new SecretKey(randomBytes(KEY_ID_BYTES), seed);
  } finally {
    seed.fill(0);
  }
}
