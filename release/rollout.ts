/**
 * The steps of a rollout as a person writes them: `10@now,50@+24h,100@+72h`.
 * They become times when the manifest is signed, whose `published` is `now`.
 * Pure.
 */
import { CliError, type OptionSpec, parseDuration, parseTime } from '@landfall/cli';
import { messageOf, OtaError } from '@landfall/errors';
import { type Manifest, parseRolloutSteps, type RolloutStep } from '@landfall/manifest';
import { toSeconds } from './time.ts';

/** `--steps`; read with `readSteps`. */
export const STEPS: OptionSpec = {
  value: 'STEPS',
  help: "PERCENT@WHEN,…: how many of the nodes may take it from when on; 'all': everybody at once",
};

/** Ten years: what comes later is a slip of the finger. */
const MAX_AFTER_DAYS = 3650;

/** One step: a part of the nodes, and a time or how long after the manifest is published. */
interface PlannedStep {
  readonly percent: number;
  readonly when: { readonly at: string } | { readonly afterMs: number };
}

/** In the order they begin; none: everybody at once. `resolveSteps` makes times of them. */
export type PlannedSteps = readonly PlannedStep[];

/** Reads `--steps`. Throws `CliError` USAGE. */
export function readSteps(text: string): PlannedSteps {
  if (text === 'all') return [];
  const steps = text.split(',').map((each) => readStep(each.trim()));
  try {
    resolveSteps(steps, new Date());
  } catch (error) {
    if (error instanceof OtaError) throw wrong(messageOf(error));
    throw error;
  }
  return steps;
}

/** The steps of a manifest that is published at `published`. Throws `ManifestError` ROLLOUT_INVALID. */
export function resolveSteps(steps: PlannedSteps, published: Date): RolloutStep[] {
  return parseRolloutSteps(
    steps.map(({ percent, when }) => ({
      percent,
      at: 'at' in when ? when.at : toSeconds(new Date(published.getTime() + when.afterMs)),
    })),
  );
}

/** Whether `manifest` goes out in these steps already. */
export function goesOutIn(manifest: Manifest, steps: PlannedSteps): boolean {
  const wanted = resolveSteps(steps, new Date(manifest.published));
  return JSON.stringify(manifest.rollout.steps) === JSON.stringify(wanted);
}

/** The steps of a manifest, one line each. */
export function describeSteps(manifest: Manifest): string[] {
  const steps = parseRolloutSteps(manifest.rollout.steps);
  if (steps.length === 0) return ['to everybody at once'];
  return steps.map(({ percent, at }) => `to ${percent} % of the nodes from ${at} on`);
}

function readStep(text: string): PlannedStep {
  const [, digits, when = ''] = /^(\d{1,3}(?:\.\d{1,3})?)@(.+)$/.exec(text) ?? [];
  if (digits === undefined) throw wrong(`expected PERCENT@WHEN, found '${text}'`);
  const percent = Number(digits);
  if (when === 'now') return { percent, when: { afterMs: 0 } };
  const afterMs = when.startsWith('+') ? parseDuration(when.slice(1)) : undefined;
  if (afterMs !== undefined && afterMs > MAX_AFTER_DAYS * 86_400_000) {
    throw wrong(`expected at most +${MAX_AFTER_DAYS}d, found '${when}'`);
  }
  if (afterMs !== undefined) return { percent, when: { afterMs } };
  const at = when.endsWith('Z') ? parseTime(when) : undefined;
  if (at === undefined) {
    throw wrong(`expected 'now', +24h or 2026-04-22T19:00:00Z, found '${when}'`);
  }
  return { percent, when: { at: toSeconds(new Date(at)) } };
}

function wrong(what: string): CliError {
  return new CliError('USAGE', `--steps: ${what}`, 'for example: --steps 10@now,50@+24h,100@+72h');
}
