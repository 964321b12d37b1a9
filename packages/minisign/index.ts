/**
 * minisign's key and signature formats, over `node:crypto`.
 *
 * Parties: whoever holds a secret key signs bytes; whoever has its public key
 * verifies them. Files are those of the `minisign` program, both ways.
 * Prehashed signatures only; reading is stricter than minisign's own.
 * Whether a key is to be believed is not decided here: see `@landfall/trust`.
 */
export { MinisignError } from './errors.ts';
export {
  formatKeyId,
  parsePublicKey,
  publicKeyBase64,
  sameKey,
  serializePublicKey,
  type PublicKey,
} from './public-key.ts';
export { generateKeyPair, SecretKey } from './secret-key.ts';
export {
  parseSecretKey,
  serializeSecretKey,
  type PasswordProvider,
  type SerializeSecretKeyOptions,
} from './secret-key-format.ts';
export { isSecretKeyFile, readSecretKeyFile } from './secret-key-file.ts';
export { MAX_SIGNATURE_FILE_BYTES, parseSignature, type Signature } from './signature.ts';
export { sign, verify, type SignOptions } from './sign.ts';
