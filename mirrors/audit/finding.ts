/** What an audit finds, in a form for machines and people. */
import type { OtaError } from '@landfall/errors';

/** What is wrong. `mirrors doctor` has plain words for each. */
export type FindingCode =
  /** It could not be asked, or not to the end. */
  | 'UNREACHABLE'
  | 'INDEX_MISSING'
  /** Signed, but no manifest of this app and channel, or none that we can read; or larger than any is. */
  | 'INDEX_INVALID'
  /** Not signed by those whom we believe. */
  | 'BAD_SIGNATURE'
  /** Older than what another mirror serves. */
  | 'STALE'
  /** Nodes take it no more. */
  | 'EXPIRED'
  /** The index names an artifact that is not there. */
  | 'ARTIFACT_MISSING'
  /** The artifact has other bytes than were signed. */
  | 'ARTIFACT_WRONG'
  /** A signed manifest says of an artifact what is not so of the bytes that it means. */
  | 'CONTRADICTION'
  /** The bytes are right; what they unpack to was not looked at, for want of room here. */
  | 'NOT_UNPACKED'
  /** Two valid manifests of one sequence. */
  | 'EQUIVOCATION'
  /** A manifest's `previous` is not the manifest that was before it. */
  | 'CHAIN_BROKEN'
  /** Not what is halted as another mirror says it, or nothing of it. */
  | 'HALT_STALE'
  /** A halt file that cannot be believed: nodes take nothing from its mirror. */
  | 'HALT_INVALID'
  /** Two valid halt files of one serial. */
  | 'HALT_EQUIVOCATION'
  /** Its head is not of what stands beside it: nodes may see news late. */
  | 'HEAD_WRONG'
  /** Root documents that are known elsewhere, and not there or not right. */
  | 'ROOT_MISSING'
  /** Two valid root documents of one version. */
  | 'ROOT_EQUIVOCATION'
  /** The newest root document ends soon, or has ended. */
  | 'ROOT_EXPIRES'
  /** Its clock and ours differ. */
  | 'CLOCK_SKEW'
  | 'CERTIFICATE_EXPIRES';

/** `alarm`: somebody may be cheating. `error`: the mirror is not right. `warning`: it soon may not be. */
export type Severity = 'alarm' | 'error' | 'warning';

/** One thing that is wrong at one mirror; of mirrors that contradict each other, each has one. */
export interface Finding {
  mirror: string;
  code: FindingCode;
  severity: Severity;
  /** One line. */
  message: string;
  /** The command that repairs it. */
  fix: string;
}

/** Commands that repair: `options` name the same mirrors and keys as the audit was given. */
export class Fixes {
  readonly #options: string;

  constructor(options: string) {
    this.#options = options;
  }

  sync(mirror: string): string {
    return `mirrors sync --to ${mirror}${this.#options}`;
  }

  lookCloser(): string {
    return `mirrors audit --json${this.#options}`;
  }

  rotate(): string {
    return `release trust rotate${this.#config()}`;
  }

  renew(): string {
    return `release renew${this.#config()}`;
  }

  /** Of the default channel unless told. */
  renewHalt(channel: string | undefined): string {
    return `release halt --renew${inChannel(channel)}${this.#config()}`;
  }

  /** Elsewhere, where there is room. */
  audit(): string {
    return `TMPDIR=DIR mirrors audit${this.#options}`;
  }

  halt(version: string, channel: string | undefined): string {
    const why = "--reason 'its manifest contradicts itself'";
    return `release halt ${version} ${why}${inChannel(channel)}${this.#config()}`;
  }

  #config(): string {
    return / --config \S+/.exec(this.#options)?.[0] ?? '';
  }
}

function inChannel(channel: string | undefined): string {
  return channel === undefined ? '' : ` --channel ${channel}`;
}

/** What a mirror's failure to tell a valid index means. */
export function findingOf(mirror: string, problem: OtaError, fixes: Fixes): Finding {
  const { code, message } = problem;
  const found = (kind: FindingCode): Finding => ({
    mirror,
    code: kind,
    severity: 'error',
    message,
    fix: fixes.sync(mirror),
  });
  if (code === 'NOT_FOUND') return found('INDEX_MISSING');
  if (code === 'UNTRUSTED') return found('BAD_SIGNATURE');
  const isAboutContent = /^(WRONG_|MANIFEST_|TOO_LARGE$)/.test(code);
  return found(isAboutContent ? 'INDEX_INVALID' : 'UNREACHABLE');
}
