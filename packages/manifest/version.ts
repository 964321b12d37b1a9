/** Version order: semantic versioning 2.0, build metadata refused (it has no order). */
import semver from 'semver';

/** Strict: `1.7.41-alpha`; no `v`, no spaces, no `+build`. */
export function isVersion(text: string): boolean {
  const parsed = semver.parse(text);
  return (
    parsed !== null && parsed.version === text && parsed.build.length === 0 && !text.includes('+')
  );
}

/** Below zero when `a` is older than `b`. */
export function compareVersions(a: string, b: string): number {
  return semver.compare(a, b);
}

export function isNewer(candidate: string, than: string): boolean {
  return semver.gt(candidate, than);
}

/** Whether `version` is in `range`; pre-releases count as ordinary versions. */
export function satisfies(version: string, range: string): boolean {
  return semver.satisfies(version, range, { includePrerelease: true });
}
