/**
 * What is well signed and yet not gone by: another channel's manifest in place
 * of ours, a sequence that nothing could follow, the newest one when another
 * of its sequence is known. Pure.
 */
import type { OtaError } from '@landfall/errors';
import type { Survey, SurveyRow } from '@landfall/mirrors';
import { checkJump, type Floor, TrustError, type VerifiedManifest } from '@landfall/trust';
import type { Contradiction, Warning } from './freshness.ts';
import type { Decline } from './offer.ts';

/** What a manifest is held against before anything is compared. */
export interface Bounds {
  floor: Floor | undefined;
  /** The name that the followed channel has had here; undefined: any. */
  channel: string | undefined;
  mostAbove: number;
}

/** `row` without its manifest where that breaks a bound. The others are gone by, as beside any bad mirror. */
export function doubt(row: SurveyRow, { floor, channel, mostAbove }: Bounds): SurveyRow {
  const { mirror, ms, verified } = row;
  if (verified === undefined) return row;
  try {
    checkChannel(verified, channel);
    checkJump(verified, floor, mostAbove);
    return row;
  } catch (error) {
    if (!(error instanceof TrustError)) throw error;
    return { mirror, ms, problem: error };
  }
}

function checkChannel({ manifest }: VerifiedManifest, expected: string | undefined): void {
  if (expected === undefined || manifest.channel === expected) return;
  throw new TrustError(
    'WRONG_CHANNEL',
    `shows another channel: expected '${expected}', found '${manifest.channel}'`,
    { hint: 'the mirror mixes up channels: repair it, or leave it out' },
  );
}

/** The newest; or why it is none, when another one of its sequence is known. Undefined: nothing is there. */
export function pickNewest(
  { best, rows }: Survey,
  contradictions: readonly Contradiction[],
  floor: Floor | undefined,
): VerifiedManifest | Decline | undefined {
  const top = Math.max(0, ...rows.map((row) => row.verified?.manifest.sequence ?? 0));
  const isOwn = floor?.sequence !== top || floor.sha256 === best?.sha256;
  if (top === 0 || (best !== undefined && isOwn)) return best;
  const twins = contradictions.find(
    ({ code, sequence }) => code === 'equivocation' && sequence === top,
  );
  const reason = twins?.reason ?? `two different manifests have sequence ${top}`;
  return { code: 'equivocation', reason, hint: twins?.hint };
}

/** Why nothing is installed when nothing else is shown. */
export function declineLeap({ message, hint }: OtaError): Decline {
  return { code: 'fast-forward', reason: message, hint };
}

/** A fast-forward, told beside what the other mirrors show. */
export function toWarning({ message, hint = '' }: OtaError): Warning {
  return { code: 'fast-forward', reason: message, hint };
}
