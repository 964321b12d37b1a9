/**
 * The one look at all mirrors that a check or an update begins with. Every
 * mirror that has a problem is named; none of them has a veto.
 */
import { ExitCode, type OtaError } from '@landfall/errors';
import {
  concludeSurvey,
  type HaltRow,
  openMirrors,
  surveyMirrors,
  type Mirror,
  type Survey,
} from '@landfall/mirrors';
import { type Authority, isRoot, trustIn, type VerifiedManifest } from '@landfall/trust';
import { UpdaterError } from './errors.ts';
import {
  askForHalts,
  concludeHalts,
  describeHaltProblems,
  doubtBy,
  type Halts,
  keptHalts,
} from './halts.ts';
import type { Host } from './host.ts';
import { stopIfTold } from './host.ts';
import { indexOf, type Decline } from './offer.ts';
import { findFloor } from './records/floor-file.ts';
import { foreseeTrust, type KeepTrust } from './trust/keep.ts';
import { isDue, judgeTrust, openTrust, type TrustLook, walkOn } from './trust/chain.ts';

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
}

/**
 * Asks all mirrors at once. Where a root document says who is believed, the
 * mirrors are asked for the next one first if a day has passed, and again when
 * what they show calls for it; `keep` is told at once, before anything else is
 * decided. Throws `UpdaterError` NO_MANIFEST when none shows a manifest that
 * can be believed, with every mirror's reason.
 */
export async function lookAtMirrors(host: Host, keep: KeepTrust = foreseeTrust): Promise<Look> {
  const all = openMirrors(host.config.mirrors);
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
  /** Without the manifests of mirrors that do not say well what is halted. */
  survey: Survey;
  halts: HaltRow[];
  /** Mirrors that were left out of it. */
  strays: MirrorProblem[];
}

async function lookWith(host: Host, all: Mirror[], trust: TrustLook | undefined): Promise<Look> {
  const refusal = trust && judgeTrust(host, trust, new Date());
  if (trust !== undefined && refusal !== undefined) {
    const { problems } = trust;
    return { newest: refusal, mirrors: all, problems, halts: keptHalts(host) };
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
  { survey, strays, halts: rows }: Seen,
  trust: TrustLook | undefined,
): Look {
  const authority = authorityOf(host, trust);
  const halts = concludeHalts(host, authority, rows, channelOf(host, authority, survey));
  const late = describeHaltProblems(halts, rows);
  const found = [...strays, ...describeProblems(host, survey), ...late];
  const others = (trust?.problems ?? []).filter(({ mirror }) =>
    found.every((each) => each.mirror !== mirror),
  );
  const problems = [...found, ...others];
  if (survey.rows.every((row) => row.verified === undefined)) {
    throw nothingToBelieve(survey, problems);
  }
  const { best, holders } = survey;
  return {
    newest: best ?? declineEquivocation(survey),
    mirrors: [...holders, ...all.filter((mirror) => !holders.includes(mirror))],
    problems,
    halts,
  };
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

async function surveyAll(host: Host, all: readonly Mirror[], authority: Authority): Promise<Seen> {
  const strays: MirrorProblem[] = [];
  let asked = all;
  let { survey, halts } = await askAll(host, asked, authority);
  // A mirror that shows another channel in place of the one this node follows is left out, and the rest is asked again.
  for (;;) {
    const found = isRoot(authority) ? [] : findStrays(host, survey);
    if (found.length === 0) break;
    strays.push(...found);
    asked = asked.filter((each) => found.every((stray) => stray.mirror !== each.name));
    ({ survey, halts } = await askAll(host, asked, authority));
  }
  stopIfTold(host.signal);
  return { survey, halts, strays };
}

/** What mirrors offer and what they say is halted; who does not say that well is not gone by. */
async function askAll(
  host: Host,
  mirrors: readonly Mirror[],
  authority: Authority,
): Promise<Pick<Seen, 'survey' | 'halts'>> {
  const [{ rows }, halts] = await Promise.all([
    ask(host, mirrors, authority),
    askForHalts(host, mirrors, authority),
  ]);
  return { survey: concludeSurvey(rows.map((row) => doubtBy(halts, row))), halts };
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

function findStrays({ config, store }: Host, { rows }: Survey): MirrorProblem[] {
  const expected = findFloor(store.floors, config.app, indexOf(config))?.channel;
  if (expected === undefined) return [];
  return rows.flatMap(({ mirror, verified }) => {
    const found = verified?.manifest.channel;
    if (found === undefined || found === expected) return [];
    const problem = `shows another channel: expected '${expected}', found '${found}'`;
    return [{ mirror: mirror.name, problem }];
  });
}

function describeProblems({ config, store }: Host, { rows, best }: Survey): MirrorProblem[] {
  const floor = findFloor(store.floors, config.app, indexOf(config))?.sequence ?? 0;
  const newest = Math.max(floor, best?.manifest.sequence ?? 0);
  return rows.flatMap(({ mirror, verified, problem }) => {
    if (problem !== undefined) {
      return [{ mirror: mirror.name, problem: stripName(problem.message, mirror.name) }];
    }
    const sequence = verified?.manifest.sequence ?? 0;
    if (sequence >= newest) return [];
    const behind = `is behind: expected sequence ${newest}, found ${sequence}`;
    return [{ mirror: mirror.name, problem: behind }];
  });
}

/** Errors of mirrors name the mirror; here its name stands beside. */
function stripName(message: string, name: string): string {
  const prefix = `mirror '${name}': `;
  return message.startsWith(prefix) ? message.slice(prefix.length) : message;
}

function declineEquivocation({ equivocation = [] }: Survey): Decline {
  const sequence = equivocation[0]?.verified?.manifest.sequence;
  const shown = equivocation.map(
    ({ mirror, verified }) =>
      `'${mirror.name}' shows ${verified?.manifest.version} (${verified?.sha256.slice(0, 12)}…)`,
  );
  return {
    code: 'equivocation',
    reason: `two different manifests have sequence ${sequence}: ${shown.join(', ')}`,
    hint: 'both are signed: neither is installed; ask the maintainer at once, a key may be in wrong hands',
  };
}

function nothingToBelieve({ rows }: Survey, problems: readonly MirrorProblem[]): UpdaterError {
  const each = problems.map(({ mirror, problem }) => `'${mirror}' ${problem}`).join('; ');
  const refused = rows.some((row) => row.problem?.exit === ExitCode.refused);
  return new UpdaterError('NO_MANIFEST', `no mirror shows a release to believe: ${each}`, {
    hint: rows[0]?.problem?.hint ?? 'check the mirrors and the network',
    exit: refused ? ExitCode.refused : ExitCode.failed,
    cause: rows[0]?.problem,
  });
}
