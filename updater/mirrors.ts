/**
 * The one look at all mirrors that a check or an update begins with. Every
 * mirror that has a problem is named; none of them has a veto.
 */
import { ExitCode, type OtaError } from '@landfall/errors';
import {
  concludeSurvey,
  type HaltRow,
  IndexMemory,
  surveyMirrors,
  type Mirror,
  type Survey,
  withoutName,
} from '@landfall/mirrors';
import { type Authority, isRoot, trustIn, type VerifiedManifest } from '@landfall/trust';
import { declineLeap, doubt, pickNewest, toWarning } from './doubt.ts';
import { NothingToBelieve } from './errors.ts';
import { findContradictions, findStaleness, timeFor, type Warning } from './freshness.ts';
import {
  askForHalts,
  concludeHalts,
  describeHaltProblems,
  doubtBy,
  type Halts,
  keptHalts,
} from './halts.ts';
import type { Host } from './host.ts';
import { stopIfTold, timestamp } from './host.ts';
import { indexOf, type Decline } from './offer.ts';
import { findFloor } from './records/floor-file.ts';
import {
  frozenSince,
  readLastCheck,
  rememberShown,
  type Shown,
} from './records/last-check-file.ts';
import { openOwnMirrors } from './own-mirrors.ts';
import { readSeen } from './records/seen-file.ts';
import { foreseeTrust, type KeepTrust } from './trust/keep.ts';
import { isDue, judgeTrust, openTrust, type TrustLook, walkOn } from './trust/chain.ts';

/** A mirror's name, and what is wrong with it, in words that go on after the name. */
export interface MirrorProblem {
  mirror: string;
  problem: string;
}

/** What the mirrors show. */
export interface Look {
  /** The manifest of the highest sequence, or why none can be picked. */
  newest: VerifiedManifest | Decline;
  /** Those that serve `newest` first, fastest first; then all others: an artifact is known by its digest. */
  mirrors: Mirror[];
  problems: MirrorProblem[];
  /** What is halted. */
  halts: Halts;
  /** What is odd about what they show. */
  warnings: Warning[];
  /** What each mirror shows, if it can be believed. */
  shown: Shown[];
  /** What each served, for the next look. */
  memory: IndexMemory;
}

/**
 * Asks all mirrors at once. Where a root document says who is believed, the
 * mirrors are asked for the next one first if a day has passed, and again when
 * what they show calls for it; `keep` is told at once, before anything else is
 * decided. Throws `NothingToBelieve` when none shows a manifest that can be
 * believed, with every mirror's reason.
 */
export async function lookAtMirrors(host: Host, keep: KeepTrust = foreseeTrust): Promise<Look> {
  const memory = new IndexMemory(readSeen(host.paths.seen));
  const all = openOwnMirrors(host.config, { memory });
  return { ...(await lookAt(host, all, keep)), memory };
}

type Seeing = Omit<Look, 'memory'>;

async function lookAt(host: Host, all: Mirror[], keep: KeepTrust): Promise<Seeing> {
  const known = await openTrust(host);
  if (known === undefined) return lookWith(host, all, undefined);
  const walk = async (): Promise<TrustLook> => {
    const walked = await walkOn(host, known, all);
    keep(host, walked);
    return walked;
  };
  if (isDue(host, known, new Date())) return lookWith(host, all, await walk());
  const seen = await surveyAll(host, all, known.newest.root);
  if (!callsForRoot(seen, known)) return toLook(host, all, seen, known);
  return lookWith(host, all, await walk());
}

interface Seen {
  /** Without the manifests that are not gone by, nor those of mirrors that do not say well what is halted. */
  survey: Survey;
  halts: HaltRow[];
}

async function lookWith(host: Host, all: Mirror[], trust: TrustLook | undefined): Promise<Seeing> {
  const refusal = trust && judgeTrust(host, trust, new Date());
  if (trust !== undefined && refusal !== undefined) {
    const problems = withTrust([], trust.problems);
    const shown = readLastCheck(host.paths.lastCheck)?.shown ?? [];
    const halts = keptHalts(host);
    return { newest: refusal, mirrors: all, problems, halts, warnings: [], shown };
  }
  return toLook(host, all, await surveyAll(host, all, authorityOf(host, trust)), trust);
}

/** Whose word counts here. */
function authorityOf({ config }: Host, trust: TrustLook | undefined): Authority {
  const authority = trust?.newest.root ?? config.policy;
  if (authority === undefined) throw new Error('neither keys nor a root document');
  return authority;
}

function toLook(
  host: Host,
  all: readonly Mirror[],
  { survey, halts: rows }: Seen,
  trust: TrustLook | undefined,
): Seeing {
  const { config, store, paths } = host;
  const authority = authorityOf(host, trust);
  const halts = concludeHalts(host, authority, rows, channelOf(host, authority, survey));
  const late = describeHaltProblems(halts, rows);
  const before = readLastCheck(paths.lastCheck)?.shown ?? [];
  const shown = rememberShown(before, survey.rows, timestamp());
  const found = [...describeProblems(host, survey, shown), ...late];
  const problems = withTrust(found, trust?.problems ?? []);
  const floor = findFloor(store.floors, config.app, indexOf(config));
  const contradictions = findContradictions(survey.rows, floor);
  const leap = survey.rows.find((row) => row.problem?.code === 'FAST_FORWARD')?.problem;
  const newest = pickNewest(survey, contradictions, floor) ?? (leap && declineLeap(leap));
  if (newest === undefined) throw nothingToBelieve(survey, problems);
  const { best, holders } = survey;
  return {
    newest,
    mirrors: [...holders, ...all.filter((mirror) => !holders.includes(mirror))],
    problems,
    halts,
    warnings: [
      ...contradictions,
      ...(leap === undefined ? [] : [toWarning(leap)]),
      ...(best === undefined ? [] : staleness(host, best)),
    ],
    shown,
  };
}

/**
 * One entry a mirror: what it lacks of the root documents is said where nothing
 * else is; that it shows one which cannot be believed is said in any case, for
 * either keys are in wrong hands or a step was published half.
 */
function withTrust(found: readonly MirrorProblem[], trust: TrustLook['problems']): MirrorProblem[] {
  const others = trust.filter(({ mirror }) => found.every((each) => each.mirror !== mirror));
  const joined = found.map(({ mirror, problem }) => {
    const lie = trust.find((each) => each.mirror === mirror && each.isLie);
    return { mirror, problem: lie === undefined ? problem : `${problem}; and ${lie.problem}` };
  });
  return [...joined, ...others.map(({ mirror, problem }) => ({ mirror, problem }))];
}

/** The name of the channel that this node follows, once it is known. */
function channelOf(
  { config, store }: Host,
  authority: Authority,
  { rows, best }: Survey,
): string | undefined {
  const shown = best ?? rows.find(({ verified }) => verified !== undefined)?.verified;
  const pinned = findFloor(store.floors, config.app, indexOf(config))?.channel;
  return trustIn(authority, config.channel).channel ?? pinned ?? shown?.manifest.channel;
}

function isStrange({ problem }: { problem?: OtaError }): boolean {
  return problem?.code === 'UNTRUSTED' || problem?.code === 'WRONG_CHANNEL';
}

/** Whether what mirrors show hints at a root document that is not known here. */
function callsForRoot({ survey: { rows }, halts }: Seen, { newest }: TrustLook): boolean {
  const named = rows.map(({ verified }) => verified?.manifest.root ?? 0);
  return [...rows, ...halts].some(isStrange) || Math.max(0, ...named) > newest.root.version;
}

/** What mirrors offer and what they say is halted; who does not say that well is not gone by. */
async function surveyAll(host: Host, all: readonly Mirror[], authority: Authority): Promise<Seen> {
  const [{ rows }, halts] = await Promise.all([
    ask(host, all, authority),
    askForHalts(host, all, authority),
  ]);
  stopIfTold(host.signal);
  const { config, store } = host;
  const floor = findFloor(store.floors, config.app, indexOf(config));
  // A root document tells the channel's name itself.
  const channel = isRoot(authority) ? undefined : floor?.channel;
  const bounds = { floor, channel, mostAbove: config.max_sequence_jump };
  return { survey: concludeSurvey(rows.map((row) => doubtBy(halts, doubt(row, bounds)))), halts };
}

async function ask(
  { config, signal }: Host,
  mirrors: readonly Mirror[],
  policy: Authority,
): Promise<Survey> {
  const { app, channel } = config;
  try {
    return await surveyMirrors(mirrors, { app, channel, policy, signal });
  } catch (error) {
    stopIfTold(signal);
    throw error;
  }
}

function staleness({ config, store }: Host, newest: VerifiedManifest): Warning[] {
  const now = new Date();
  return findStaleness(newest, timeFor(store.floors, indexOf(config), newest, now), now);
}

function describeProblems(
  { config, store }: Host,
  { rows, best }: Survey,
  shown: readonly Shown[],
): MirrorProblem[] {
  const floor = findFloor(store.floors, config.app, indexOf(config))?.sequence ?? 0;
  const newest = Math.max(floor, best?.manifest.sequence ?? 0);
  return rows.flatMap(({ mirror, verified, problem }) => {
    if (problem !== undefined) {
      return [{ mirror: mirror.name, problem: withoutName(problem.message, mirror.name) }];
    }
    const sequence = verified?.manifest.sequence ?? 0;
    if (sequence >= newest) return [];
    const since = frozenSince(shown, mirror.name, new Date());
    const frozen = since === undefined ? '' : `, the same since ${since}`;
    const behind = `is behind: expected sequence ${newest}, found ${sequence}${frozen}`;
    return [{ mirror: mirror.name, problem: behind }];
  });
}

function nothingToBelieve({ rows }: Survey, problems: readonly MirrorProblem[]): NothingToBelieve {
  const refused = rows.some((row) => row.problem?.exit === ExitCode.refused);
  return new NothingToBelieve(problems, {
    hint: rows[0]?.problem?.hint ?? 'check the mirrors and the network',
    exit: refused ? ExitCode.refused : ExitCode.failed,
    cause: rows[0]?.problem,
  });
}
