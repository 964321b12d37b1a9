/**
 * `last-check.json`: what the last look at the mirrors found, for `status`.
 * Nothing is ever decided from it; a corrupt one is as good as none, so that
 * nobody waits for the disk to have it.
 */
import { readJsonFile, writeFileLoosely } from '@landfall/durable';
import type { SurveyRow } from '@landfall/mirrors';
import { z } from '@landfall/manifest';
import { sha256Schema, timeSchema } from './schemas.ts';

/** A mirror that is behind for longer than this is not just being published to. */
const FROZEN_MS = 86_400_000;

const shownSchema = z.lazy(() =>
  z.object({
    mirror: z.string(),
    sequence: z.int(),
    sha256: sha256Schema,
    /** Since when it has shown this manifest. */
    since: timeSchema,
  }),
);

const lastCheckSchema = z.object({
  /** When mirrors were asked last. */
  at: timeSchema,
  /**
   * No mirror showed a release to believe, and since when; `hint`: what to do.
   * Only `at`, `problems` and `mirrors` are of that look then: the rest is
   * what was found at `seen`, before it; unset: nothing ever was.
   */
  failing: z.optional(
    z.object({ since: timeSchema, seen: z.optional(timeSchema), hint: z.optional(z.string()) }),
  ),
  /** The newest release the mirrors show, and why it is not installed, if it is not. */
  newest: z.optional(
    z.object({
      version: z.string(),
      sequence: z.int(),
      expires: timeSchema,
      /** Its deployment here; unset: that was not looked at. */
      id: z.optional(z.string()),
    }),
  ),
  refusal: z.optional(
    z.object({
      code: z.string(),
      reason: z.string(),
      hint: z.optional(z.string()),
      until: z.optional(timeSchema),
    }),
  ),
  /** Mirrors with a problem. */
  problems: z.array(z.object({ mirror: z.string(), problem: z.string() })),
  /** How many mirrors were asked. */
  mirrors: z.int(),
  /** What was odd about what they showed. */
  warnings: z.optional(
    z.array(z.object({ code: z.string(), reason: z.string(), hint: z.string() })),
  ),
  shown: z.optional(z.array(shownSchema)),
});

/** What was found when mirrors were asked last. Times are ISO in UTC. */
export type LastCheck = z.infer<typeof lastCheckSchema>;
/** What a mirror shows. */
export type Shown = z.infer<typeof shownSchema>;

/** Undefined: nobody asked yet, or the file makes no sense. Throws `DurableError`. */
export function readLastCheck(path: string): LastCheck | undefined {
  const file = readJsonFile(path, lastCheckSchema);
  return file.state === 'ok' ? file.value : undefined;
}

/** Writes `last-check.json`. Throws `DurableError`. */
export function writeLastCheck(path: string, check: LastCheck): void {
  writeFileLoosely(path, `${JSON.stringify(check, null, 2)}\n`);
}

/** What is known at `at`, when no mirror shows anything to believe, given what was known `before`. */
export function withFailedCheck(
  before: LastCheck | undefined,
  failed: Pick<LastCheck, 'at' | 'problems' | 'mirrors'> & { hint: string | undefined },
): LastCheck {
  const { hint, ...found } = failed;
  const { since, seen } = before?.failing ?? { since: found.at, seen: before?.at };
  return { ...before, ...found, failing: { since, seen, hint } };
}

/** What the mirrors show now, and since when, given what they showed `before`. One that shows nothing keeps its entry. */
export function rememberShown(
  before: readonly Shown[],
  rows: readonly SurveyRow[],
  at: string,
): Shown[] {
  return rows.flatMap(({ mirror, verified }) => {
    const known = before.find((each) => each.mirror === mirror.name);
    if (verified === undefined) return known === undefined ? [] : [known];
    const { manifest, sha256 } = verified;
    const since = known?.sha256 === sha256 && known.since <= at ? known.since : at;
    return [{ mirror: mirror.name, sequence: manifest.sequence, sha256, since }];
  });
}

/** Since when a mirror has shown the same, if that is so long that it is worth telling. */
export function frozenSince(
  shown: readonly Shown[],
  mirror: string,
  now: Date,
): string | undefined {
  const since = shown.find((each) => each.mirror === mirror)?.since;
  if (since === undefined || now.getTime() - Date.parse(since) < FROZEN_MS) return undefined;
  return since;
}
