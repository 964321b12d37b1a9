/**
 * What is odd about what the mirrors show, though all of it is well signed:
 * manifests that contradict each other or what was accepted here before,
 * sequences that nothing could follow, mirrors that show nothing new, clocks
 * that cannot be right. Pure: it looks at what was seen, and says so.
 *
 * What contradicts the newest manifest is refused elsewhere (`offer.ts`); what
 * contradicts an older one is told and has no veto, or one old slip of a
 * maintainer's could keep a fleet from every later release.
 */
import type { SurveyRow } from '@landfall/mirrors';
import {
  type ClockState,
  readTime,
  type TimeReading,
  type VerifiedManifest,
} from '@landfall/trust';
import {
  findAccepted,
  type FloorEntry,
  type FloorFile,
  signedTimeFor,
} from './records/floor-file.ts';

/**
 * `equivocation`: two manifests of one sequence. `fork`: one follows another than was accepted.
 * `fast-forward`: a sequence too far ahead. `clock`: this machine's is wrong. `expiring`, `frozen`:
 * the newest manifest ends soon, or has ended.
 */
export type WarningCode =
  | 'equivocation'
  | 'fork'
  | 'fast-forward'
  | 'clock'
  | 'expiring'
  | 'frozen';

/** Something that a person should know, whether a release is installed or not. */
export interface Warning {
  code: WarningCode;
  /** The same words as long as it is the same matter. */
  reason: string;
  hint: string;
}

/** A warning about manifests of one sequence. */
export interface Contradiction extends Warning {
  sequence: number;
}

/** A manifest in its last quarter, but not earlier than this before its end, should have been renewed. */
const EXPIRING_MS = 14 * 86_400_000;
const ASK_HINT = 'ask the maintainer at once, a key may be in wrong hands';

/** The time that `verified` is judged by: the clock's, unless something signed says that it cannot be right. */
export function timeFor(
  floors: FloorFile,
  index: string,
  { manifest }: Pick<VerifiedManifest, 'manifest'>,
  now: Date,
): TimeReading {
  return readTime(now, signedTimeFor(floors, index, manifest));
}

/** Manifests of one sequence that differ, among `rows` and against what `accepted` keeps. */
export function findContradictions(
  rows: readonly SurveyRow[],
  accepted: FloorEntry | undefined,
): Contradiction[] {
  const shown = rows.flatMap(({ mirror, verified }) =>
    verified === undefined ? [] : [{ mirror: mirror.name, verified }],
  );
  const bySequence = Map.groupBy(shown, ({ verified }) => verified.manifest.sequence);
  const twins = [...bySequence].flatMap(([sequence, all]): Contradiction[] => {
    const known = findAccepted(accepted, sequence)?.sha256;
    const digests = new Set(all.map(({ verified }) => verified.sha256));
    if (digests.size < 2 && (known === undefined || digests.has(known))) return [];
    const ours = known === undefined ? [] : [`this node accepted ${short(known)}`];
    const words = [...ours, ...all.map((each) => showsWhat(each.mirror, each.verified))].join(', ');
    const reason = `two different manifests have sequence ${sequence}: ${words}`;
    const hint = `both are signed, and neither is installed: ${ASK_HINT}`;
    return [{ code: 'equivocation', sequence, reason, hint }];
  });
  const forks = shown.flatMap(({ mirror, verified }): Contradiction[] => {
    const { previous, version } = verified.manifest;
    const known = previous === null ? undefined : findAccepted(accepted, previous.sequence);
    if (previous === null || known === undefined || known.sha256 === previous.sha256) return [];
    const reason = `${version} of '${mirror}' follows another manifest of sequence ${previous.sequence} than this node accepted: expected ${short(known.sha256)}, found ${short(previous.sha256)}`;
    const hint = `this node was shown what others were not: ${ASK_HINT}`;
    return [{ code: 'fork', sequence: previous.sequence, reason, hint }];
  });
  return [...twins, ...forks];
}

/** What the time says of the newest manifest: a clock that is wrong, an end that comes near, or has come. */
export function findStaleness(
  newest: VerifiedManifest,
  { clock, now: judged }: TimeReading,
  now: Date,
): Warning[] {
  const { version, sequence, published, expires } = newest.manifest;
  const left = Date.parse(expires) - judged.getTime();
  const wrong = wrongClock(clock, judged, now);
  if (left <= 0) {
    const reason = `no mirror shows anything newer than ${version} (sequence ${sequence}) of ${published}, which ended ${expires}`;
    const hint =
      "ask the maintainer for 'release renew'; if that was done, these mirrors are frozen: use others";
    return [...wrong, { code: 'frozen', reason, hint }];
  }
  const life = Date.parse(expires) - Date.parse(published);
  if (clock !== 'plausible' || left > Math.min(life / 4, EXPIRING_MS)) return wrong;
  const reason = `${version} (sequence ${sequence}) ends ${expires}, and no mirror shows anything newer`;
  const hint = "ask the maintainer for 'release renew'; after that nothing is installed from it";
  return [{ code: 'expiring', reason, hint }];
}

function wrongClock(clock: ClockState, judged: Date, now: Date): Warning[] {
  if (clock === 'plausible') return [];
  const [expected, then] =
    clock === 'ahead'
      ? ['an earlier one', 'nothing is taken for expired because of it']
      : [`${toDay(judged)} or later`, 'what has expired is judged by that'];
  const reason = `this machine's clock is wrong: expected ${expected}, found ${toDay(now)}; ${then}`;
  const hint =
    'set the clock (timedatectl); if it is right, ask the maintainer when the newest release was signed';
  return [{ code: 'clock', reason, hint }];
}

function showsWhat(mirror: string, { manifest, sha256 }: VerifiedManifest): string {
  return `'${mirror}' shows ${manifest.version} (${short(sha256)})`;
}

function short(sha256: string): string {
  return `${sha256.slice(0, 12)}…`;
}

function toDay(time: Date): string {
  return time.toISOString().slice(0, 10);
}
