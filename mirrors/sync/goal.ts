/**
 * What mirrors should hold: for each channel the newest valid index that a
 * source serves, and every file that these name: artifacts and deltas. Two valid manifests of
 * one sequence are refused: nobody may spread one of them.
 */
import { artifactFiles, type Manifest, type ReleaseFile } from '@landfall/manifest';
import { TrustError, trustIn } from '@landfall/trust';
import { MirrorError } from '../errors.ts';
import type { Mirror } from '../mirror.ts';
import { readProvenance } from '../provenance.ts';
import { claimsOf, meaningOf } from '../signed-bytes.ts';
import { type Believed, readSignedIndex, type SignedIndex } from '../signed-index.ts';
import { surveyMirrors, type SurveyRow } from '../survey.ts';

/** One channel's index, who serves it, and what every mirror has of the channel. */
export interface Goal {
  channel: string | undefined;
  index: SignedIndex;
  /** Sources that serve exactly this index, fastest first. */
  holders: Mirror[];
  /** By mirror's name: the sequence it serves validly, and its manifest's digest. */
  served: ReadonlyMap<string, { sequence: number; sha256: string }>;
}

/** One file that a goal's manifest names. */
export interface Wanted {
  version: string;
  artifact: ReleaseFile;
  holders: Mirror[];
}

/** Goals come from `sources`; what `targets` serve counts against two manifests of one sequence. */
export interface GoalOptions extends Believed {
  sources: readonly Mirror[];
  targets: readonly Mirror[];
  channels: readonly (string | undefined)[];
  signal?: AbortSignal;
}

/**
 * The goals of all channels that a source serves validly, and the channels
 * that none does. Throws `TrustError` EQUIVOCATION, and `MirrorError`
 * NOT_FOUND when no source serves anything.
 */
export async function findGoals(
  options: GoalOptions,
): Promise<{ goals: Goal[]; without: string[] }> {
  const goals: Goal[] = [];
  const without: string[] = [];
  const problems: string[] = [];
  for (const channel of options.channels) {
    const rows = await surveyAll(channel, options);
    const goal = await goalOf(channel, rows, options);
    if (goal !== undefined) goals.push(goal);
    else without.push(nameOf(channel));
    problems.push(...rows.flatMap(({ problem }) => problem?.message ?? []));
  }
  if (goals.length > 0) return { goals, without };
  throw new MirrorError('NOT_FOUND', '', `no source has a valid index: ${problems.join('; ')}`, {
    hint: "'mirrors status' shows which mirrors are up",
  });
}

/** A channel's name for people. */
export function nameOf(channel: string | undefined): string {
  return channel === undefined ? 'the default channel' : `channel '${channel}'`;
}

/** Every file of the goals once. Throws `TrustError` EQUIVOCATION when two manifests disagree on one. */
export function wantedBy(goals: readonly Goal[]): Wanted[] {
  const wanted = new Map<string, Wanted>();
  const known = new Map<string, ReleaseFile>();
  for (const { index, holders } of goals) {
    const { version } = index.verified.manifest;
    for (const artifact of artifactFiles(index.verified.manifest)) {
      const name = `${version}/${artifact.file}`;
      const other = known.get(name) ?? artifact;
      if (meaningOf(other) !== meaningOf(artifact)) {
        const what = other.sha256 === artifact.sha256 ? 'content' : 'bytes';
        throw new TrustError('EQUIVOCATION', `two channels name different ${what} for '${name}'`, {
          hint: 'both are signed by the release keys: ask the maintainer before anything is copied',
        });
      }
      known.set(name, other);
      const key = `${version} ${claimsOf(artifact)}`;
      if (!wanted.has(key)) wanted.set(key, { version, artifact, holders });
    }
  }
  return [...wanted.values()];
}

/** The manifest of a goal that names `version`. */
export function manifestOf(goals: readonly Goal[], version: string): Manifest {
  const found = goals.find(({ index }) => index.verified.manifest.version === version);
  if (found === undefined) throw new Error(`no goal names ${version}`);
  return found.index.verified.manifest;
}

async function surveyAll(
  channel: string | undefined,
  { sources, targets, app, policy, signal }: GoalOptions,
): Promise<SurveyRow[]> {
  const known = new Set(sources.map(({ name }) => name));
  const all = [...sources, ...targets.filter(({ name }) => !known.has(name))];
  const given = { app, channel, policy, ...(signal === undefined ? {} : { signal }) };
  const { rows, equivocation } = await surveyMirrors(all, given);
  if (equivocation === undefined) return rows;
  const names = equivocation.map(({ mirror }) => `'${mirror.name}'`).join(' and ');
  throw new TrustError(
    'EQUIVOCATION',
    `${names} serve different manifests of one sequence in ${nameOf(channel)}`,
    { hint: "copy nothing before you know which is right: 'mirrors audit' tells more" },
  );
}

async function goalOf(
  channel: string | undefined,
  rows: readonly SurveyRow[],
  { sources, app, policy, signal }: GoalOptions,
): Promise<Goal | undefined> {
  const isSource = (row: SurveyRow): boolean => sources.includes(row.mirror);
  const valid = rows
    .filter((row) => isSource(row) && row.verified !== undefined)
    .toSorted((a, b) => sequenceOf(b) - sequenceOf(a) || a.ms - b.ms);
  const best = valid[0]?.verified;
  if (best === undefined) return undefined;
  const holders = valid
    .filter(({ verified }) => verified?.sha256 === best.sha256)
    .map(({ mirror }) => mirror);
  const options = signal === undefined ? {} : { signal };
  const files = new Map<string, Uint8Array>();
  let index: SignedIndex | undefined;
  for (const holder of holders) {
    const read = await readSignedIndex(holder, channel, { app, policy }, options).catch(
      () => undefined,
    );
    if (read?.verified.sha256 !== best.sha256) continue;
    index ??= read;
    for (const [path, bytes] of read.files) if (!files.has(path)) files.set(path, bytes);
  }
  if (index === undefined) return undefined;
  const { version } = best.manifest;
  const signers = trustIn(policy, channel).policy;
  for (const holder of holders) {
    const found = await readProvenance(holder, version, signers, options).catch(() => undefined);
    for (const [path, bytes] of found?.files ?? []) if (!files.has(path)) files.set(path, bytes);
    if (found !== undefined) break;
  }
  signal?.throwIfAborted();
  return {
    channel,
    index: { ...index, files: manifestLast(files) },
    holders,
    served: servedBy(rows),
  };
}

/** A mirror that holds more signatures than another adds them; the manifest still goes last. */
function manifestLast(files: ReadonlyMap<string, Uint8Array>): Map<string, Uint8Array> {
  return new Map([...files].toSorted(([a], [b]) => Number(isManifest(a)) - Number(isManifest(b))));
}

function isManifest(path: string): boolean {
  return path.endsWith('manifest.json');
}

function sequenceOf(row: SurveyRow): number {
  return row.verified?.manifest.sequence ?? 0;
}

function servedBy(rows: readonly SurveyRow[]): Goal['served'] {
  const served = new Map<string, { sequence: number; sha256: string }>();
  for (const { mirror, verified } of rows) {
    if (verified === undefined) continue;
    served.set(mirror.name, { sequence: verified.manifest.sequence, sha256: verified.sha256 });
  }
  return served;
}
