/** What each mirror is like, compared with the newest release that any of them has. */
import { OtaError } from '@landfall/errors';
import { artifactFiles, type Halted, type Manifest, type ReleaseFile } from '@landfall/manifest';
import { MirrorError } from './errors.ts';
import type { Mirror } from './mirror.ts';
import { problemOfHalt } from './served-halts.ts';
import { highestHalts, type HaltRow, surveyHalts } from './signed-halt.ts';
import { checkRoots, describeTorn, type KnownRoots, problemOfRoots } from './served-roots.ts';
import { surveyMirrors, type SurveyOptions, type SurveyRow } from './survey.ts';

const STAT_DEADLINE_MS = 15_000;

/** Artifacts of the newest release that a mirror serves, by name and size. */
export interface AssetCount {
  present: number;
  total: number;
  /** Files that are missing or of another size. */
  missing: string[];
}

/** One mirror; `null` is what could not be known. */
export interface MirrorStatus {
  name: string;
  kind: Mirror['kind'];
  address: string;
  version: string | null;
  sequence: number | null;
  /** Manifests that the newest is ahead; 0 when it is current. */
  behindBy: number | null;
  assets: AssetCount | null;
  /** Milliseconds until its index was read and verified. */
  reachableInMs: number | null;
  /** Current and complete. */
  good: boolean;
  problem?: { code: string; message: string; hint: string | undefined };
}

/** All mirrors, in their order, beside `best`, the newest valid manifest, where there is one. */
export interface Status {
  rows: MirrorStatus[];
  best: Manifest | undefined;
  /** Names of mirrors that serve different manifests of one sequence. */
  equivocation: string[];
  /** Two valid root documents of one version, in words. */
  tornRoots?: string;
  /** What is halted in the channel. */
  halted: readonly Halted[];
}

/** Asks every mirror for its index and for each artifact. Never throws for what a mirror does; throws the reason of `signal`. */
export async function readStatus(
  mirrors: readonly Mirror[],
  options: SurveyOptions & { roots?: KnownRoots | undefined },
): Promise<Status> {
  const { app, policy, channel, signal } = options;
  const [survey, halts] = await Promise.all([
    surveyMirrors(mirrors, options),
    surveyHalts(mirrors, { app, policy, channel, signal }),
  ]);
  const torn = options.roots?.torn;
  const best = survey.best?.manifest;
  const rows = await Promise.all(
    survey.rows.map((row) =>
      toStatus(row, best, survey.best?.sha256, haltProblem(row, halts), options),
    ),
  );
  signal?.throwIfAborted();
  return {
    rows,
    best,
    halted: highestHalts(halts).flatMap(({ verified }) => verified.halt.halted),
    equivocation: survey.equivocation?.map(({ mirror }) => mirror.name) ?? [],
    ...(torn === undefined ? {} : { tornRoots: describeTorn(torn) }),
  };
}

async function toStatus(
  row: SurveyRow,
  best: Manifest | undefined,
  sha256: string | undefined,
  halt: OtaError | undefined,
  { roots, signal }: { roots?: KnownRoots | undefined; signal?: AbortSignal },
): Promise<MirrorStatus> {
  const { mirror, verified } = row;
  const own = verified?.manifest;
  const isUp = row.problem === undefined || row.problem.code === 'NOT_FOUND';
  const counted = isUp && best !== undefined ? await countAssets(mirror, best, signal) : undefined;
  const assets = counted?.assets ?? null;
  const lacking = isUp ? await lackingRoots(mirror, roots, signal) : undefined;
  const problem =
    row.problem ??
    halt ??
    counted?.problem ??
    lacking ??
    (own === undefined ? undefined : await brokenPromise(mirror, own, best, assets, signal));
  return {
    name: mirror.name,
    kind: mirror.kind,
    address: mirror.address,
    version: own?.version ?? null,
    sequence: own?.sequence ?? null,
    behindBy: own === undefined || best === undefined ? null : best.sequence - own.sequence,
    assets,
    reachableInMs: row.problem !== undefined && isSilent(row.problem) ? null : Math.round(row.ms),
    good:
      verified !== undefined &&
      verified.sha256 === sha256 &&
      assets?.missing.length === 0 &&
      lacking === undefined &&
      halt === undefined,
    ...(problem === undefined
      ? {}
      : { problem: { code: problem.code, message: problem.message, hint: problem.hint } }),
  };
}

/** Whether nothing came, or nothing whole: what is wrong with an answer is told beside it. */
function isSilent({ code }: OtaError): boolean {
  return ['UNREACHABLE', 'TIMEOUT', 'TOO_SLOW'].includes(code);
}

/** What is wrong with what the mirror of `row` says is halted. */
function haltProblem({ mirror }: SurveyRow, halts: readonly HaltRow[]): OtaError | undefined {
  const own = halts.find((each) => each.mirror === mirror);
  return own && problemOfHalt(own, halts);
}

/** Whether the newest root document that is known is there. */
async function lackingRoots(
  mirror: Mirror,
  roots: KnownRoots | undefined,
  signal: AbortSignal | undefined,
): Promise<OtaError | undefined> {
  if (roots === undefined) return undefined;
  const options = { newestOnly: true, ...(signal === undefined ? {} : { signal }) };
  try {
    return problemOfRoots(mirror.name, await checkRoots(mirror, roots, options));
  } catch (error) {
    if (error instanceof OtaError) return error;
    throw error;
  }
}

async function countAssets(
  mirror: Mirror,
  manifest: Manifest,
  signal: AbortSignal | undefined,
): Promise<{ assets?: AssetCount; problem?: OtaError }> {
  const artifacts = artifactFiles(manifest);
  try {
    const missing = await findMissing(mirror, manifest.version, artifacts, signal);
    const total = artifacts.length;
    return { assets: { present: total - missing.length, total, missing } };
  } catch (error) {
    if (error instanceof OtaError) return { problem: error };
    throw error;
  }
}

async function findMissing(
  mirror: Mirror,
  version: string,
  artifacts: readonly ReleaseFile[],
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const checked = await Promise.all(
    artifacts.map(async ({ file, size }) => {
      const found = await mirror.statArtifact(version, file, {
        maxBytes: size,
        deadlineMs: STAT_DEADLINE_MS,
        ...(signal === undefined ? {} : { signal }),
      });
      const fits = found !== undefined && (found.size === undefined || found.size === size);
      return fits ? [] : [file];
    }),
  );
  return checked.flat();
}

/** An index that names artifacts which its mirror does not serve. */
async function brokenPromise(
  mirror: Mirror,
  own: Manifest,
  best: Manifest | undefined,
  assets: AssetCount | null,
  signal: AbortSignal | undefined,
): Promise<OtaError | undefined> {
  const missing =
    own.version === best?.version && assets !== null
      ? assets.missing
      : ((await countAssets(mirror, own, signal)).assets?.missing ?? []);
  const [first] = missing;
  if (first === undefined) return undefined;
  const more = missing.length === 1 ? '' : ` and ${missing.length - 1} more`;
  return new MirrorError(
    'NOT_FOUND',
    mirror.name,
    `its index names release ${own.version}, but it does not serve '${first}'${more}`,
    { hint: `complete it from the others: mirrors sync --to ${mirror.name}` },
  );
}
