/**
 * Old manifests, well signed, offered again. The floor is the highest sequence
 * a node has accepted; it only ever rises, also when a node rolls back.
 */
import { TrustError } from './errors.ts';
import type { VerifiedManifest } from './manifest.ts';

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
