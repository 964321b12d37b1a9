/**
 * Version order: semantic versioning 2.0, build metadata refused (it has no order).
 * Function by function: all of semver takes three times as long to load.
 */
import compare from 'semver/functions/compare.js';
import gt from 'semver/functions/gt.js';
import parse from 'semver/functions/parse.js';
import satisfiesRange from 'semver/functions/satisfies.js';

/** Strict: `1.7.41-alpha`; no `v`, no spaces, no `+build`. */
export function isVersion(text: string): boolean {
  const parsed = parse(text);
  return (
    parsed !== null && parsed.version === text && parsed.build.length === 0 && !text.includes('+')
  );
}

/** Below zero when `a` is older than `b`. Throws `TypeError` when one is no version. */
export function compareVersions(a: string, b: string): number {
  return compare(a, b);
}

/** Whether `candidate` comes after `than`; not when both are equal. */
export function isNewer(candidate: string, than: string): boolean {
  return gt(candidate, than);
}

/** Whether `version` is in `range`; pre-releases count as ordinary versions. */
export function satisfies(version: string, range: string): boolean {
  return satisfiesRange(version, range, { includePrerelease: true });
}
