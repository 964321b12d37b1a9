/**
 * Root documents on mirrors: every version with its signatures stands below
 * `trust/` of the index, for good, so that a node finds each step to the
 * newest one. They are written with an index, and before it.
 */
import { crashPoint } from '@landfall/cli';
import { MAX_ROOT_BYTES } from '@landfall/manifest';
import { type Mirror, walkRoot } from '@landfall/mirrors';
import { checkRootExpiry } from '@landfall/trust';
import type { Settings } from '../config.ts';
import { ReleaseError } from '../errors.ts';
import { alive, type MirrorProgress, onEach } from '../mirror-progress.ts';
import { rootFilesOf } from '../roots.ts';
import type { Show } from '../show.ts';

const DEADLINE_MS = 20_000;
const DAY_MS = 86_400_000;
/** So long before the newest root document ends, it is said. */
const WARN_DAYS = 30;

/** Files that a mirror lacks or has with other bytes, by path. Throws `MirrorError`. */
export async function missingRoots(
  mirror: Mirror,
  settings: Settings,
  signal: AbortSignal,
): Promise<string[]> {
  const missing: string[] = [];
  for (const [path, bytes] of rootFilesOf(settings.roots)) {
    const limits = { maxBytes: MAX_ROOT_BYTES, deadlineMs: DEADLINE_MS, signal };
    const served = await mirror.readIndex(path, limits);
    if (served === undefined || !Buffer.from(served).equals(bytes)) missing.push(path);
  }
  return missing;
}

/** Names of the mirrors that lack a root document or a signature of one. Those that do not answer fail. */
export async function mirrorsWithoutRoots(
  mirrors: readonly MirrorProgress[],
  settings: Settings,
  signal: AbortSignal,
): Promise<Set<string>> {
  const without = new Set<string>();
  if (settings.roots.length === 0) return without;
  await onEach(alive(mirrors), 'look', signal, async ({ mirror }) => {
    if ((await missingRoots(mirror, settings, signal)).length > 0) without.add(mirror.name);
  });
  return without;
}

/** Throws `ReleaseError` READ_BACK when an anonymous reader does not find every root document. */
export async function readRootsBack(
  mirror: Mirror,
  settings: Settings,
  signal: AbortSignal,
): Promise<void> {
  const [first] = await missingRoots(mirror, settings, signal);
  if (first === undefined) return crashPoint('ship-roots-read-back');
  throw new ReleaseError(
    'READ_BACK',
    `mirror '${mirror.name}': does not serve the '${first}' that was written`,
    { hint: 'a cache in between may answer with an old file; run it again in a while' },
  );
}

/**
 * Somebody else may have replaced keys: what those that stand here sign then
 * would be refused by every node. Throws `ReleaseError` OLD_ROOT when a mirror
 * has a version after the newest here, EQUIVOCATION when it has another of one.
 */
export async function requireNewestRoot(
  mirrors: readonly MirrorProgress[],
  settings: Settings,
  signal: AbortSignal,
): Promise<void> {
  const newest = settings.roots.at(-1);
  if (newest === undefined) return;
  const asked = alive(mirrors).map(({ mirror }) => mirror);
  const { version } = newest.root;
  const ours = new Map(settings.roots.map(({ root, sha256 }) => [root.version, sha256]));
  // Walked from the first, so that another document in the place of one of ours is seen too.
  const [first] = settings.roots;
  const walk = await walkRoot(asked, first ?? newest, { signal });
  const other = walk.steps.find(
    ({ verified: { root, sha256 } }) => (ours.get(root.version) ?? sha256) !== sha256,
  );
  const twice = walk.equivocation?.version ?? other?.verified.root.version;
  if (twice !== undefined) {
    throw new ReleaseError(
      'EQUIVOCATION',
      `there are two root documents of version ${twice}, both signed by enough root keys`,
      { hint: 'find out who signed which, and remove the wrong one; nodes take neither' },
    );
  }
  const there = walk.newest.root.version;
  if (there <= version) return;
  throw new ReleaseError(
    'OLD_ROOT',
    `the root documents here are not the newest: expected version ${there}, which a mirror has, found ${version}`,
    { hint: 'bring your checkout up to date; the keys that may sign were replaced' },
  );
}

/** Throws `TrustError` EXPIRED for a root document by which nodes install nothing; warns before. */
export function checkRootLife(settings: Pick<Settings, 'roots'>, show: Pick<Show, 'line'>): void {
  const newest = settings.roots.at(-1);
  if (newest === undefined) return;
  const now = new Date();
  checkRootExpiry(newest, now);
  const days = Math.floor((Date.parse(newest.root.expires) - now.getTime()) / DAY_MS);
  if (days >= WARN_DAYS) return;
  show.line(
    `note: root document ${newest.root.version} ends in ${days} days, and nodes install nothing after that: release trust rotate`,
  );
}
