/**
 * `pending-verification.json`: the one file that says an activation or a
 * rollback is in progress. It stands before `current` is touched and goes when
 * a verdict is written down; a start that finds it finishes or undoes.
 */
import { writeFileDurably } from '@landfall/durable';
import { z } from '@landfall/manifest';
import type { MarkerFacts, PendingVerification, Resting, RollingBack } from '../machine.ts';
import { readBootId, uptimeMs } from './boot.ts';
import { deploymentSchema, outcomeSchema } from './schemas.ts';

/** What `pending-verification.json` must be; while rolling back it says why. */
export const markerSchema = z.lazy(() =>
  z
    .object({
      schema: z.literal(1),
      /** What ran before; while rolling back, where it goes. Absent on a first install. */
      from: z.optional(deploymentSchema),
      /** What is being activated; while rolling back, what is left. */
      to: deploymentSchema,
      phase: z.enum(['prepared', 'switched', 'restarted', 'rolling-back']),
      attempt: z.int().check(z.minimum(1)),
      /** Which boot wrote this, so that `deadline` can be told to be of this one. */
      bootId: z.string(),
      /** Milliseconds of uptime at which the window for a verdict is over; from the switch on. */
      deadline: z.optional(z.number()),
      baseline: z.optional(outcomeSchema),
      reason: z.optional(z.string()),
      blame: z.optional(z.enum(['release', 'node', 'operator'])),
      /** The data's snapshot that is to come back with `from`. */
      restore: z.optional(z.string()),
      /** `from` is the golden deployment; what was to be gone back to before. */
      golden: z.optional(z.boolean()),
      unusable: z.optional(deploymentSchema),
    })
    .check(
      z.refine((marker) => marker.phase !== 'rolling-back' || marker.reason !== undefined, {
        path: ['reason'],
        message: 'expected with phase rolling-back',
      }),
    ),
);

/** `MarkerFacts`, with the start of the machine that wrote them and the end of the window. */
export type Marker = z.infer<typeof markerSchema>;

/**
 * Writes the marker. The window for a verdict begins with phase `switched`
 * and goes on through `restarted`, unless the machine was started anew since:
 * then it begins again. Undefined when `unless` said so just before it would have had its name:
 * nothing was changed then. Throws `DurableError`.
 */
export function writeMarker(
  path: string,
  facts: MarkerFacts,
  before: Marker | undefined,
  windowMs: number,
  unless?: () => boolean,
): Marker | undefined {
  const bootId = readBootId();
  const marker: Marker = { schema: 1, ...facts, bootId };
  if (facts.phase === 'switched' || facts.phase === 'restarted') {
    const known = facts.phase === 'restarted' && before?.bootId === bootId;
    marker.deadline = (known ? before.deadline : undefined) ?? uptimeMs() + windowMs;
  }
  const isWritten = writeFileDurably(path, `${JSON.stringify(marker, null, 2)}\n`, { unless });
  return isWritten ? marker : undefined;
}

/** Milliseconds that are left of the window; the whole window when nobody wrote down its end in this boot. */
export function windowLeft(marker: Marker | undefined, windowMs: number): number {
  if (marker?.deadline === undefined || marker.bootId !== readBootId()) return windowMs;
  return Math.min(windowMs, Math.max(0, marker.deadline - uptimeMs()));
}

/** The state that a marker tells of. `rest` is what `state.json` says was before. */
export function stateOfMarker(marker: Marker, rest: Resting): PendingVerification | RollingBack {
  const { from, to, attempt, baseline, reason, blame, phase } = marker;
  if (phase === 'rolling-back') {
    return {
      name: 'rolling-back',
      back: from,
      failed: to,
      reason: reason ?? '',
      blame: blame ?? 'node',
      attempt,
      baseline,
      restore: marker.restore,
      golden: marker.golden,
      unusable: marker.unusable,
    };
  }
  return { name: 'pending-verification', rest, from, to, phase, attempt, baseline };
}
