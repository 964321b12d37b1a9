import { ExitCode, OtaError, type OtaErrorOptions } from '@landfall/errors';

/** Why a signed document, or something in one, cannot be used. */
export type ManifestErrorCode =
  /** The bytes are not a manifest. */
  | 'MANIFEST_INVALID'
  /** The manifest is of a schema this version does not know. */
  | 'MANIFEST_SCHEMA'
  /** The manifest says of one file what cannot be of the same bytes. */
  | 'MANIFEST_CONTRADICTION'
  /** The manifest has nothing for this platform. */
  | 'MANIFEST_PLATFORM'
  /** The bytes are not a root document, or one that could trust nobody. */
  | 'ROOT_INVALID'
  /** The root document is of a schema this version does not know. */
  | 'ROOT_SCHEMA'
  /** The bytes are not a halt file. */
  | 'HALT_INVALID'
  /** The halt file is of a schema this version does not know. */
  | 'HALT_SCHEMA'
  /** The steps of a rollout are none that can be followed. */
  | 'ROLLOUT_INVALID';

/** A manifest or another signed document that cannot be used; refused, exit code 3. */
export class ManifestError extends OtaError<ManifestErrorCode> {
  constructor(code: ManifestErrorCode, message: string, options: OtaErrorOptions = {}) {
    super(code, message, { exit: ExitCode.refused, ...options });
  }
}
