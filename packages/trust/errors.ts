import { ExitCode, OtaError, type OtaErrorOptions } from '@landfall/errors';

type TrustErrorCode =
  /** Too few of the trusted keys signed these bytes. */
  | 'UNTRUSTED'
  /** Older than what this node has accepted before. */
  | 'BELOW_FLOOR'
  /** Two manifests with one sequence and different bytes. */
  | 'EQUIVOCATION'
  /** A sequence so high that nothing could follow it. */
  | 'FAST_FORWARD'
  | 'WRONG_APP'
  | 'WRONG_CHANNEL'
  | 'EXPIRED'
  /** A root document that is not the one that follows. */
  | 'ROOT_STEP'
  /** The configured keys and threshold can trust nobody, or anybody. Exit code 2. */
  | 'POLICY_INVALID';

/** A manifest or root document that is refused: exit code 3, but for a policy that makes no sense. */
export class TrustError extends OtaError<TrustErrorCode> {
  constructor(code: TrustErrorCode, message: string, options: OtaErrorOptions = {}) {
    const exit = code === 'POLICY_INVALID' ? ExitCode.usage : ExitCode.refused;
    super(code, message, { exit, ...options });
  }
}
