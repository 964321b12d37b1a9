/**
 * What can be wrong with keys, passwords and signatures. Nothing here ever
 * holds a byte of a secret: messages tell lengths and names, not content.
 */
import { ExitCode, OtaError, type OtaErrorOptions } from '@landfall/errors';

type MinisignErrorCode =
  /** A key, or a file that should hold one, does not read as minisign's format, or must not be used. */
  | 'KEY_INVALID'
  /** The secret key's file cannot be opened. */
  | 'KEY_UNREADABLE'
  /** Others than its owner may read or write the secret key's file. */
  | 'KEY_PERMISSIONS'
  /** The memory that the key's scrypt parameters ask for is not to be had. */
  | 'KEY_DERIVATION'
  /** The key is encrypted and no password was given. */
  | 'PASSWORD_NEEDED'
  | 'PASSWORD_WRONG'
  /** A new password that minisign could not be given, or that protects nothing. */
  | 'PASSWORD_INVALID'
  /** A comment to be written that would not read back as one line. */
  | 'COMMENT_INVALID'
  /** The signature does not read as minisign's format, or is of a kind we refuse. */
  | 'SIGNATURE_INVALID'
  /** The signature is well formed and does not verify. */
  | 'SIGNATURE_MISMATCH';

/** Signatures are refused (exit 3); keys, passwords and comments are configuration (exit 2). */
export class MinisignError extends OtaError<MinisignErrorCode> {
  constructor(code: MinisignErrorCode, message: string, options: OtaErrorOptions = {}) {
    const exit = code.startsWith('SIGNATURE_') ? ExitCode.refused : ExitCode.usage;
    super(code, message, { exit, ...options });
  }
}
