/**
 * What the mirrors offer, and whether this node takes it. An expected refusal
 * is a value with its reason; only having nothing to judge is an error.
 *
 * Nothing here changes anything.
 */
import { messageOf, OtaError } from '@landfall/errors';
import {
  compareVersions,
  contentDigest,
  deploymentId,
  type Halted,
  hostPlatform,
  indexPath,
  satisfies,
  selectArtifacts,
  type Selected,
} from '@landfall/manifest';
import { checkExpiry, checkFloor, checkJump, type VerifiedManifest } from '@landfall/trust';
import type { Mirror } from '@landfall/mirrors';
import type { Config } from './config.ts';
import type { Deployment } from './facts.ts';
import type { Store } from './records/store.ts';
import { timeFor } from './freshness.ts';
import { findFloor } from './records/floor-file.ts';
import { findQuarantined, type ReleaseDigests } from './records/quarantine-file.ts';
import { UPDATER_VERSION } from './version.ts';

/** A release that could be installed, and where it can be had. */
export interface Offer {
  verified: VerifiedManifest;
  selected: Selected[];
  deployment: Deployment;
  /** Those that serve exactly this manifest first, fastest first; then all others. */
  mirrors: readonly Mirror[];
  /** Its maintainer stopped it, until further notice. */
  halted?: Halted | undefined;
}

/** The codes of refusals by hold, window, limit, jitter and rollout: they pass by themselves. */
export const PACE_CODES = [
  'held',
  'outside-window',
  'enough-today',
  'waiting-jitter',
  'waiting-rollout',
] as const;

/** Why a release is not installed, for programs: in `--json` and `last-check.json`. */
export type DeclineCode =
  | 'up-to-date'
  | 'below-floor'
  | 'equivocation'
  | 'fast-forward'
  | 'expired'
  | 'platform'
  | 'not-newest'
  /** What was named runs, and the mirrors offer another one. */
  | 'runs-already'
  | 'withdrawn'
  | 'halted'
  | 'quarantined'
  /** The root documents stand against believing anybody. */
  | 'root-expired'
  | 'root-equivocation'
  | 'root-lost'
  | 'channel-unlisted'
  | 'updater-too-old'
  | 'from-not-met'
  | 'older'
  | 'in-probation'
  /** Its maintainer lets it go out in steps that this updater cannot read. */
  | 'rollout-unreadable'
  | (typeof PACE_CODES)[number]
  /** Not the release's fault: it is tried again later. */
  | 'waiting';

/** Why a release is not installed, in words for an operator. */
export interface Decline {
  code: DeclineCode;
  reason: string;
  hint?: string | undefined;
  /** When it may pass by itself; ISO time in UTC. */
  until?: string | undefined;
}

/** What the operator asked for, if it was one. */
export interface Wish {
  /** The version that was named. */
  version?: string | undefined;
  /** Try it although it failed here before. */
  liftQuarantine?: boolean;
  /** A person asks: waits, windows, jitter and the day's limit are for others. */
  byHand?: boolean;
  /** Install it although a hold stands. */
  despiteHold?: boolean;
}

/** The index file that this node reads, below a mirror. */
export function indexOf(config: Config): string {
  return indexPath(config.channel);
}

/**
 * Whether `verified` may be believed as the newest: not below the floor, not
 * another one of the floor's sequence, not too far above it, not expired.
 */
export function judgeFreshness(
  config: Config,
  store: Store,
  verified: VerifiedManifest,
  now: Date,
): Decline | undefined {
  try {
    const floor = findFloor(store.floors, config.app, indexOf(config));
    checkFloor(verified, floor);
    checkJump(verified, floor, config.max_sequence_jump);
    checkExpiry(verified, timeFor(store.floors, indexOf(config), verified, now).now);
    return undefined;
  } catch (error) {
    if (!(error instanceof OtaError)) throw error;
    const codes: Record<string, DeclineCode> = {
      BELOW_FLOOR: 'below-floor',
      EQUIVOCATION: 'equivocation',
      FAST_FORWARD: 'fast-forward',
      EXPIRED: 'expired',
    };
    const code = codes[error.code];
    if (code === undefined) throw error;
    return { code, reason: error.message, hint: error.hint };
  }
}

/** The release of a fresh manifest for this platform, or why there is none. */
export function selectOffer(
  verified: VerifiedManifest,
  mirrors: readonly Mirror[],
  halted?: Halted,
): Offer | Decline {
  const { version, sequence } = verified.manifest;
  let selected: Selected[];
  try {
    selected = selectArtifacts(verified.manifest, hostPlatform());
  } catch (error) {
    if (!(error instanceof OtaError)) throw error;
    return { code: 'platform', reason: messageOf(error), hint: error.hint };
  }
  const digest = contentDigest(selected);
  const deployment: Deployment = { id: deploymentId(version, digest), version, digest, sequence };
  return { verified, selected, deployment, mirrors, halted };
}

/** Why this node does not take `offer`; undefined when it does. */
export function judgeOffer(store: Store, offer: Offer, wish: Wish): Decline | undefined {
  const { manifest } = offer.verified;
  const { version } = manifest;
  const running = store.state.running?.deployment;
  if (wish.version !== undefined && wish.version !== version) {
    return declineOther(store, wish.version, version);
  }
  if (running?.id === offer.deployment.id) {
    const withdrawn = manifest.withdrawn.includes(version) ? ', and it was withdrawn' : '';
    return { code: 'up-to-date', reason: `${version} runs already${withdrawn}` };
  }
  if (manifest.withdrawn.includes(version)) {
    return { code: 'withdrawn', reason: `${version} was withdrawn by its maintainer` };
  }
  return (
    judgeHalted(offer) ??
    judgeQuarantine(store, offer, wish) ??
    judgeRequirements(offer, running) ??
    judgeOrder(store, offer, running, wish)
  );
}

function declineOther(store: Store, wanted: string, newest: string): Decline {
  if (store.state.running?.deployment.version === wanted) {
    return {
      code: 'runs-already',
      reason: `${wanted} runs already, and the mirrors offer ${newest}`,
      hint: `to install that: 'updater apply ${newest}'`,
    };
  }
  const kept = store.deployments.some((each) => each.deployment.version === wanted);
  return {
    code: 'not-newest',
    reason: `${wanted} is not what the mirrors offer: they offer ${newest}`,
    hint: kept
      ? `${wanted} is kept on this node: 'updater rollback --to ${wanted} --reason …' returns to it`
      : "without a version, 'updater apply' takes the newest",
  };
}

function judgeHalted({ halted }: Offer): Decline | undefined {
  if (halted === undefined) return undefined;
  return {
    code: 'halted',
    reason: describeHalted(halted),
    hint: 'nothing: it is taken by itself when its maintainer resumes it, and a newer release anyway',
  };
}

/** That a version is halted, in one line. */
export function describeHalted({ version, at, reason }: Halted): string {
  return `${version} was halted by its maintainer at ${at}${reason === '' ? '' : `: ${reason}`}`;
}

/** What quarantine knows the release of `offer` by. */
export function digestsOf({ deployment, selected }: Offer): ReleaseDigests {
  const artifacts = selected.map(({ artifact }) => artifact.sha256);
  return { digest: deployment.digest, artifacts };
}

function judgeQuarantine(store: Store, offer: Offer, wish: Wish): Decline | undefined {
  if (wish.liftQuarantine === true) return undefined;
  const found = findQuarantined(store.quarantine, digestsOf(offer));
  if (found === undefined) return undefined;
  const { version } = offer.deployment;
  const as = found.version === version ? '' : ` as ${found.version}`;
  return {
    code: 'quarantined',
    reason: `${version} is quarantined here since ${found.at}${as}: ${found.reason}`,
    hint: `a release with other content is taken by itself; to try this one again: 'updater apply ${version} --lift-quarantine'`,
  };
}

function judgeRequirements(
  { verified, deployment }: Offer,
  running: Deployment | undefined,
): Decline | undefined {
  const { updater, from } = verified.manifest.requires;
  if (updater !== undefined && !satisfies(UPDATER_VERSION, updater)) {
    return {
      code: 'updater-too-old',
      reason: `${deployment.version} needs updater ${updater}, this is ${UPDATER_VERSION}`,
      hint: 'update the updater on this node first',
    };
  }
  if (from !== undefined && running !== undefined && !satisfies(running.version, from)) {
    return {
      code: 'from-not-met',
      reason: `${deployment.version} can only follow ${from}, this node runs ${running.version}`,
      hint: 'ask the maintainer for a release in between',
    };
  }
  return undefined;
}

/** Whether what runs was withdrawn by the manifest of `offer`: it is then left at once, in any direction. */
export function leavesWithdrawn(
  { verified }: Pick<Offer, 'verified'>,
  running: Deployment | undefined,
): boolean {
  return running !== undefined && verified.manifest.withdrawn.includes(running.version);
}

function judgeOrder(
  store: Store,
  offer: Offer,
  running: Deployment | undefined,
  wish: Wish,
): Decline | undefined {
  const { deployment } = offer;
  const asked = wish.version !== undefined;
  if (running !== undefined && !asked) {
    const isOlder = compareVersions(deployment.version, running.version) < 0;
    if (isOlder && !leavesWithdrawn(offer, running)) {
      return {
        code: 'older',
        reason: `${deployment.version} is older than ${running.version}, which was not withdrawn`,
        hint: `to go back to it all the same: 'updater apply ${deployment.version}'`,
      };
    }
  }
  if (store.state.name === 'probation' && !asked && !leavesWithdrawn(offer, running)) {
    const { version } = store.state.running.deployment;
    return {
      code: 'in-probation',
      reason: `${version} is in probation until ${store.state.until}`,
      hint: `it is taken after that; to take it now: 'updater apply ${deployment.version}'`,
    };
  }
  return undefined;
}
