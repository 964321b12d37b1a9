/**
 * Old manifests, well signed, offered again. The floor is the highest sequence
 * a node has accepted; it only ever rises, also when a node rolls back. Only
 * the root keys can put it elsewhere.
 */
import { TrustError } from './errors.ts';
import type { VerifiedManifest } from './manifest.ts';

/** The highest sequence that a node has accepted, and which manifest had it. */
export interface Floor {
  sequence: number;
  /** SHA-256 of the manifest's bytes, in hex. */
  sha256: string;
}

/**
 * Throws `TrustError` BELOW_FLOOR for a manifest older than the floor, and
 * EQUIVOCATION for one of the same sequence with other bytes. No floor: anything goes.
 */
export function checkFloor(verified: VerifiedManifest, floor: Floor | undefined): void {
  if (floor === undefined) return;
  const { version, sequence } = verified.manifest;
  if (sequence < floor.sequence) {
    throw new TrustError(
      'BELOW_FLOOR',
      `release ${version} is older than what this node has accepted: expected sequence ${floor.sequence} or more, found ${sequence}`,
      { hint: 'the mirror lags behind or replays an old release: use another, or repair it' },
    );
  }
  if (sequence === floor.sequence && verified.sha256 !== floor.sha256) {
    throw new TrustError(
      'EQUIVOCATION',
      `two different manifests have sequence ${sequence}: expected the accepted one, sha256 ${floor.sha256.slice(0, 12)}…, found release ${version}, sha256 ${verified.sha256.slice(0, 12)}…`,
      {
        hint: 'both are signed by the release keys: ask the maintainer at once, a key may be in wrong hands',
      },
    );
  }
}

/**
 * Throws `TrustError` FAST_FORWARD for a manifest more than `most` above the
 * floor: who holds a stolen key for a day could otherwise take a node to a
 * sequence that no release of the maintainers ever reaches again (the
 * fast-forward attack of the TUF specification). No floor: there is nothing to measure from.
 */
export function checkJump(
  verified: VerifiedManifest,
  floor: Floor | undefined,
  most: number,
): void {
  if (floor === undefined) return;
  const { version, sequence } = verified.manifest;
  if (sequence - floor.sequence <= most) return;
  throw new TrustError(
    'FAST_FORWARD',
    `release ${version} is too far ahead of what this node has accepted: expected sequence ${floor.sequence + most} at most, found ${sequence}`,
    {
      hint: "ask the maintainer whether a key is in wrong hands; if it is meant so, raise 'max_sequence_jump' for once",
    },
  );
}

/** Throws `TrustError` EXPIRED when `now` is at or after the manifest's end. */
export function checkExpiry(verified: VerifiedManifest, now: Date): void {
  const { version, expires } = verified.manifest;
  if (now.getTime() < Date.parse(expires)) return;
  throw new TrustError(
    'EXPIRED',
    `manifest of release ${version} has expired: expected a time before ${expires}, found ${now.toISOString()}`,
    {
      hint: "check this machine's clock; if it is right, the mirror is stale or the maintainer must renew the release",
    },
  );
}
