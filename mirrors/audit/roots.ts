/** Whether every mirror serves all root documents that are known, and nobody serves others. */
import { MirrorError, withoutName } from '../errors.ts';
import { TrustError } from '@landfall/trust';
import type { Mirror } from '../mirror.ts';
import {
  checkRoots,
  describeTorn,
  type KnownRoots,
  newestOf,
  problemOfRoots,
} from '../served-roots.ts';
import { type Finding, findingOf, type Fixes } from './finding.ts';

/** A root document that ends within this time must be followed by the next. */
const SOON_MS = 30 * 86_400_000;

/** Findings of all mirrors. Nothing is thrown for what a mirror does. */
export async function auditRoots(
  options: {
    mirrors: readonly Mirror[];
    roots?: KnownRoots | undefined;
    signal?: AbortSignal;
  },
  fixes: Fixes,
): Promise<Finding[]> {
  const { mirrors, roots, signal } = options;
  if (roots === undefined) return [];
  const given = signal === undefined ? {} : { signal };
  const each = await Promise.all(mirrors.map((mirror) => auditOne(mirror, roots, fixes, given)));
  const { torn } = roots;
  const alarms = (torn?.shown ?? []).map(({ mirror }): Finding => ({
    mirror: mirror.name,
    code: 'ROOT_EQUIVOCATION',
    severity: 'alarm',
    message: torn === undefined ? '' : describeTorn(torn),
    fix: fixes.lookCloser(),
  }));
  return [...each.flat(), ...alarms, ...expiring(mirrors, roots, fixes)];
}

async function auditOne(
  mirror: Mirror,
  roots: KnownRoots,
  fixes: Fixes,
  given: { signal?: AbortSignal },
): Promise<Finding[]> {
  try {
    const problem = problemOfRoots(mirror.name, await checkRoots(mirror, roots, given));
    if (problem === undefined) return [];
    const isAlarm = problem instanceof TrustError;
    return [
      {
        mirror: mirror.name,
        code: isAlarm ? 'ROOT_EQUIVOCATION' : 'ROOT_MISSING',
        severity: isAlarm ? 'alarm' : 'error',
        message: withoutName(problem.message, mirror.name),
        fix: isAlarm ? fixes.lookCloser() : fixes.sync(mirror.name),
      },
    ];
  } catch (error) {
    given.signal?.throwIfAborted();
    // One that is down was found out when its index was read, and is told of once.
    if (!(error instanceof MirrorError)) throw error;
    return [findingOf(mirror.name, error, fixes)];
  }
}

function expiring(mirrors: readonly Mirror[], { documents }: KnownRoots, fixes: Fixes): Finding[] {
  const { root } = newestOf(documents).verified;
  const left = Date.parse(root.expires) - Date.now();
  if (left >= SOON_MS) return [];
  const message =
    left > 0
      ? `root document ${root.version} ends at ${root.expires}`
      : `root document ${root.version} has ended at ${root.expires}: nodes install nothing`;
  return mirrors.map(({ name }) => ({
    mirror: name,
    code: 'ROOT_EXPIRES',
    severity: left > 0 ? 'warning' : 'error',
    message,
    fix: fixes.rotate(),
  }));
}
