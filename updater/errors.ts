import { ExitCode, OtaError, type OtaErrorOptions } from '@landfall/errors';

type UpdaterErrorCode =
  /** The configuration is wrong, or there is none. Exit code 2. */
  | 'CONFIG'
  /** No mirror shows a manifest that can be believed. */
  | 'NO_MANIFEST'
  /** Not enough space or inodes for the whole update. */
  | 'NO_SPACE'
  /** No mirror has an artifact of the release. */
  | 'ARTIFACT_MISSING'
  /** What was extracted fails a check of its component. Exit code 3. */
  | 'COMPONENT_CHECK'
  /** The web server's user cannot read the release. Exit code 3. */
  | 'WEB_USER'
  /** A deployment that should be on the disk is not, or is not whole. */
  | 'DEPLOYMENT'
  /** A state file is corrupt. Exit code 3. */
  | 'STATE_CORRUPT'
  /** A command of the node (a service manager, a program) failed. */
  | 'COMMAND'
  /** Told to stop; the next start goes on. */
  | 'INTERRUPTED'
  /** The machine refused an event: a fault of this program. */
  | 'MACHINE';

const EXITS: Partial<Record<UpdaterErrorCode, ExitCode>> = {
  CONFIG: ExitCode.usage,
  COMPONENT_CHECK: ExitCode.refused,
  WEB_USER: ExitCode.refused,
  STATE_CORRUPT: ExitCode.refused,
};

/** Something that keeps the updater from doing what it was told. */
export class UpdaterError extends OtaError<UpdaterErrorCode> {
  constructor(code: UpdaterErrorCode, message: string, options: OtaErrorOptions = {}) {
    super(code, message, { exit: EXITS[code] ?? ExitCode.failed, ...options });
  }
}
