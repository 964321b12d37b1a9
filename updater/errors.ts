import { ExitCode, OtaError, type OtaErrorOptions } from '@landfall/errors';

type UpdaterErrorCode =
  /** The configuration is wrong, or there is none. Exit code 2. */
  | 'CONFIG'
  /** No mirror shows a manifest that can be believed. */
  | 'NO_MANIFEST'
  /** Not enough space or inodes for the whole update. */
  | 'NO_SPACE'
  /** Not enough memory to apply a delta. */
  | 'NO_MEMORY'
  /** No mirror has an artifact of the release. */
  | 'ARTIFACT_MISSING'
  /** The release lacks a component that the configuration names. Exit code 3. */
  | 'COMPONENT_MISSING'
  /** An artifact's signed bytes are nothing that any node could take. Exit code 3. */
  | 'RELEASE_REFUSED'
  /** The web server's user cannot read the release. Exit code 3. */
  | 'WEB_USER'
  /** A deployment that should be on the disk is not, or is not whole. */
  | 'DEPLOYMENT'
  /** A state file is corrupt. Exit code 3. */
  | 'STATE_CORRUPT'
  /** A command of the node (a service manager, a program) failed. */
  | 'COMMAND'
  /** A critical check on a release that is on the disk failed. Exit code 3. */
  | 'CHECK'
  /** A snapshot of the data could not be made, or brought back. */
  | 'SNAPSHOT'
  /** Units cannot be installed here, or a file of somebody else's is in the way. Exit code 3. */
  | 'UNITS'
  /** A node cannot be adopted as it is, or an adoption is not finished. Exit code 3. */
  | 'ADOPTION'
  /** This program cannot do its work on this node. */
  | 'SELF_CHECK'
  /** The process that makes the rounds of `run` does not start, or crashed before one went well. */
  | 'ROUND'
  /** Told to stop; the next start goes on. */
  | 'INTERRUPTED'
  /** The machine refused an event: a fault of this program. */
  | 'MACHINE';

const EXITS: Partial<Record<UpdaterErrorCode, ExitCode>> = {
  CONFIG: ExitCode.usage,
  COMPONENT_MISSING: ExitCode.refused,
  RELEASE_REFUSED: ExitCode.refused,
  WEB_USER: ExitCode.refused,
  CHECK: ExitCode.refused,
  STATE_CORRUPT: ExitCode.refused,
  UNITS: ExitCode.refused,
  ADOPTION: ExitCode.refused,
};

/** Something that keeps the updater from doing what it was told. */
export class UpdaterError extends OtaError<UpdaterErrorCode> {
  constructor(code: UpdaterErrorCode, message: string, options: OtaErrorOptions = {}) {
    super(code, message, { exit: EXITS[code] ?? ExitCode.failed, ...options });
  }
}

/** No mirror shows a manifest that can be believed. */
export class NothingToBelieve extends UpdaterError {
  /** What stands against each mirror. */
  readonly problems: readonly { mirror: string; problem: string }[];

  constructor(problems: NothingToBelieve['problems'], options: OtaErrorOptions) {
    const each = problems.map(({ mirror, problem }) => `'${mirror}' ${problem}`).join('; ');
    super('NO_MANIFEST', `no mirror shows a release to believe: ${each}`, options);
    this.problems = problems;
  }
}

/** An artifact that was signed and that no node could take: fetching it again would not help. */
export class ReleaseRefusal extends UpdaterError {
  /** SHA-256 of its bytes, in hex. */
  readonly artifact: string;

  constructor(artifact: string, message: string, cause?: unknown) {
    super('RELEASE_REFUSED', message, {
      cause,
      hint: 'what runs was not touched, and this artifact is not tried again; the maintainer must ship another release',
    });
    this.artifact = artifact;
  }
}
