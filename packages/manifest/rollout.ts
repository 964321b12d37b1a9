/**
 * The steps in which a release goes out: at each time a larger part of the
 * nodes may take it. No steps: everybody at once. Times are of the signed
 * manifest; nobody has to be asked while a release goes out.
 *
 * The manifest's schema keeps steps as they are. Here they are read strictly,
 * against its rule that unknown fields are ignored: a condition that a reader
 * does not know must not be taken for none. So a node that cannot read a step
 * does not install.
 */
import { describeIssues } from '@landfall/errors';
import { z } from './zod.ts';
import { timestampField } from './document.ts';
import { ManifestError } from './errors.ts';

const MAX_STEPS = 100;

const stepSchema = z.strictObject({
  /** Nodes whose place is below it may take the release. */
  percent: z.number().check(z.minimum(0), z.maximum(100)),
  /** From when on; UTC. */
  at: timestampField,
});

const stepsSchema = z.array(stepSchema).check(
  z.maxLength(MAX_STEPS),
  z.superRefine((steps, context) => {
    for (const [index, { percent, at }] of steps.entries()) {
      const before = steps[index - 1];
      if (before === undefined) continue;
      const problem = (field: string, message: string): void =>
        context.addIssue({ code: 'custom', path: [index, field], message });
      if (percent <= before.percent) {
        problem('percent', `expected more than ${before.percent}, found ${percent}`);
      }
      if (at <= before.at) problem('at', `expected a time after ${before.at}, found ${at}`);
    }
  }),
);

/** From `at` (UTC) on, `percent` (0 to 100) of the nodes may take the release. */
export type RolloutStep = z.infer<typeof stepSchema>;

/**
 * Reads the steps of a manifest, or any that are to become one's: percents and
 * times rise, and end at 100 or below. Throws `ManifestError` ROLLOUT_INVALID.
 */
export function parseRolloutSteps(steps: unknown): RolloutStep[] {
  const result = stepsSchema.safeParse(steps);
  if (result.success) return result.data;
  throw new ManifestError(
    'ROLLOUT_INVALID',
    `the steps of the rollout cannot be read: ${describeIssues(result.error.issues)}`,
    {
      hint: 'if the maintainer did mean it so, this updater is too old for this release: update it first',
      cause: result.error,
    },
  );
}
