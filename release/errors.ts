/** What can go wrong in making and shipping a release, apart from what the packages below say themselves. */
import { ExitCode, OtaError, type OtaErrorOptions } from '@landfall/errors';

type ReleaseErrorCode =
  /** There is no configuration where one was expected. */
  | 'CONFIG_MISSING'
  /** The configuration does not fit; names the key, what was expected and what was found. */
  | 'CONFIG_INVALID'
  /** A file that would be overwritten stands there already. */
  | 'EXISTS'
  /** No secret key, or fewer than the threshold. */
  | 'KEY_MISSING'
  /** A secret key whose public half is not configured. */
  | 'KEY_MISMATCH'
  /** There is no root document that enough have signed, or none can be made like this. */
  | 'NO_ROOT'
  /** A mirror has a newer root document than the checkout. */
  | 'OLD_ROOT'
  /** Not a document that can be signed, or not the way it was made. */
  | 'NOT_SIGNABLE'
  /** Not a semantic version, or none given and none found. */
  | 'VERSION_INVALID'
  /** The mirrors have this version or a newer one. */
  | 'VERSION_NOT_NEWER'
  /** The release signed here was overtaken: its sequence belongs to another by now. */
  | 'SUPERSEDED'
  /** The channel has withdrawn this version. */
  | 'WITHDRAWN'
  /** There is no such release on the channel. */
  | 'NOT_PUBLISHED'
  /** No earlier release is known that nodes could go back to. */
  | 'NOTHING_GOOD'
  /** The changelog has no section for the version, or cannot be read. */
  | 'NOTES_MISSING'
  /** One version, two sets of bytes; names what differs. */
  | 'BYTES_DIFFER'
  /** A build would overwrite what was signed. */
  | 'ALREADY_SIGNED'
  /** What is in the working folder is not what was signed. */
  | 'DAMAGED'
  /** A command of `before` failed. */
  | 'COMMAND_FAILED'
  /** A component's source is not there or of the wrong kind. */
  | 'SOURCE_MISSING'
  /** What would be shipped holds what must stay here: a secret, what git keeps, our own folder. */
  | 'KEPT_BACK'
  /** Two readers see different things in one archive. */
  | 'READERS_DISAGREE'
  /** What a mirror serves is not what was uploaded. */
  | 'READ_BACK'
  /** The index that git mirrors share names artifacts of another channel that a mirror lacks. */
  | 'OTHER_CHANNEL'
  /** The checkout has changes that no commit names. */
  | 'GIT_DIRTY'
  /** Git itself failed. */
  | 'GIT_FAILED'
  /** Too few mirrors for a publication. */
  | 'NO_QUORUM'
  /** What the mirrors serve was signed by nobody we trust. */
  | 'UNTRUSTED_MIRRORS'
  /** Two mirrors serve different manifests of one sequence, both validly signed. */
  | 'EQUIVOCATION'
  /** A mirror shows a halt file that cannot be believed, and what takes its place is for people to say. */
  | 'HALT_UNKNOWN'
  /** The halt file that takes another's place lacks signatures. */
  | 'HALT_WAITS'
  /** What is said about how a release was built cannot be read, or is about another. */
  | 'PROVENANCE'
  /** A signal ended it. */
  | 'INTERRUPTED';

const EXITS: Readonly<Record<ReleaseErrorCode, ExitCode>> = {
  CONFIG_MISSING: ExitCode.usage,
  CONFIG_INVALID: ExitCode.usage,
  EXISTS: ExitCode.usage,
  KEY_MISSING: ExitCode.usage,
  KEY_MISMATCH: ExitCode.usage,
  NO_ROOT: ExitCode.usage,
  OLD_ROOT: ExitCode.refused,
  NOT_SIGNABLE: ExitCode.refused,
  VERSION_INVALID: ExitCode.usage,
  VERSION_NOT_NEWER: ExitCode.usage,
  SUPERSEDED: ExitCode.refused,
  WITHDRAWN: ExitCode.refused,
  NOT_PUBLISHED: ExitCode.usage,
  NOTHING_GOOD: ExitCode.refused,
  NOTES_MISSING: ExitCode.usage,
  BYTES_DIFFER: ExitCode.refused,
  ALREADY_SIGNED: ExitCode.usage,
  DAMAGED: ExitCode.refused,
  COMMAND_FAILED: ExitCode.failed,
  SOURCE_MISSING: ExitCode.failed,
  KEPT_BACK: ExitCode.refused,
  READERS_DISAGREE: ExitCode.refused,
  READ_BACK: ExitCode.refused,
  OTHER_CHANNEL: ExitCode.failed,
  GIT_DIRTY: ExitCode.usage,
  GIT_FAILED: ExitCode.failed,
  NO_QUORUM: ExitCode.failed,
  UNTRUSTED_MIRRORS: ExitCode.refused,
  EQUIVOCATION: ExitCode.refused,
  HALT_UNKNOWN: ExitCode.refused,
  HALT_WAITS: ExitCode.refused,
  PROVENANCE: ExitCode.refused,
  INTERRUPTED: ExitCode.failed,
};

/** An error of the `release` command. The exit code follows from the code unless told. */
export class ReleaseError extends OtaError<ReleaseErrorCode> {
  constructor(code: ReleaseErrorCode, message: string, options: OtaErrorOptions = {}) {
    super(code, message, { exit: EXITS[code], ...options });
  }
}
