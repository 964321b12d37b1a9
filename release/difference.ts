/** What differs between two releases, from their signed manifests and the listings of their trees. Pure. */
import type { ListingEntry } from '@landfall/archive';
import { formatBytes } from '@landfall/cli';
import type { Artifact, Component, Manifest } from '@landfall/manifest';

/** One file or directory of a component that is not the same in both. */
export interface FileChange {
  path: string;
  change: 'added' | 'removed' | 'changed' | 'mode';
  /** Bytes; null where it is not there. */
  from: number | null;
  to: number | null;
}

/** A component for one platform, in both releases or in one. */
export interface Pair {
  component: string;
  kind: Component['kind'];
  platform: string;
  from: Artifact | undefined;
  to: Artifact | undefined;
}

/** Every component and platform that either release has, in the order of the second. */
export function pairsOf(from: Manifest, to: Manifest): Pair[] {
  const [before, after] = [flatten(from), flatten(to)];
  const keys = [...new Set([...after.keys(), ...before.keys()])];
  return keys.flatMap((key) => {
    const [a, b] = [before.get(key), after.get(key)];
    const known = b ?? a;
    return known === undefined ? [] : [{ ...known, from: a?.artifact, to: b?.artifact }];
  });
}

function flatten(
  manifest: Manifest,
): Map<string, Pick<Pair, 'component' | 'kind' | 'platform'> & { artifact: Artifact }> {
  const found = manifest.components.flatMap(({ name: component, kind, artifacts }) =>
    artifacts.map((artifact) => {
      const { platform } = artifact;
      return [`${kind} ${component} ${platform}`, { component, kind, platform, artifact }] as const;
    }),
  );
  return new Map(found);
}

/** What was added, removed and changed, in byte order of the paths. A component that is not there has no listing. */
export function compareListings(
  from: readonly ListingEntry[],
  to: readonly ListingEntry[],
): FileChange[] {
  const before = new Map(from.map((entry) => [entry.path, entry]));
  const after = new Map(to.map((entry) => [entry.path, entry]));
  const paths = [...new Set([...before.keys(), ...after.keys()])].toSorted((a, b) =>
    Buffer.compare(Buffer.from(a), Buffer.from(b)),
  );
  return paths.flatMap((path) => {
    const [a, b] = [before.get(path), after.get(path)];
    const change = changeOf(a, b);
    if (change === undefined) return [];
    return [{ path, change, from: a?.size ?? null, to: b?.size ?? null }];
  });
}

function changeOf(
  a: ListingEntry | undefined,
  b: ListingEntry | undefined,
): FileChange['change'] | undefined {
  if (a === undefined) return 'added';
  if (b === undefined) return 'removed';
  if (a.type !== b.type || a.sha256 !== b.sha256) return 'changed';
  return a.mode === b.mode ? undefined : 'mode';
}

const MARKS = { added: '+', removed: '-', changed: '~', mode: 'm' } as const;

/** One line: `~ index.html: 1.0 KiB → 1.1 KiB (+100 B)`. */
export function describeChange({ path, change, from, to }: FileChange): string {
  const what = change === 'mode' ? 'permissions' : sizeChange(from, to);
  return `${MARKS[change]} ${path}: ${what}`;
}

/** Two sizes in bytes for people; null where there is none. */
export function sizeChange(from: number | null, to: number | null): string {
  if (from === null || to === null) return formatBytes(to ?? from ?? 0);
  if (from === to) return formatBytes(to);
  const sign = to > from ? '+' : '−';
  return `${formatBytes(from)} → ${formatBytes(to)} (${sign}${formatBytes(Math.abs(to - from))})`;
}
