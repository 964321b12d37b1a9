/**
 * An update from the look at the mirrors to the verdict. What the mirrors show
 * raises the floor before anything else is decided, also when nothing is
 * installed.
 */
import { crashPoint } from '@landfall/cli';
import type { Halted } from '@landfall/manifest';
import { keepDownloads } from './effects/downloads.ts';
import { preflight } from './effects/preflight.ts';
import { UpdaterError } from './errors.ts';
import type { Warning } from './freshness.ts';
import { keepHalts } from './halts.ts';
import { timestamp, type Host } from './host.ts';
import type { Settled } from './machine.ts';
import { lookAtMirrors, type Look, type MirrorProblem } from './mirrors.ts';
import {
  digestsOf,
  indexOf,
  judgeFreshness,
  judgeOffer,
  leavesWithdrawn,
  selectOffer,
  type Decline,
  type Offer,
  type Wish,
} from './offer.ts';
import { judgePace } from './policy/judge.ts';
import { keepHold, keepInstall, keepPlace, keepSight } from './policy/keep.ts';
import { judgeRollout } from './policy/rollout.ts';
import type { Held } from './records/hold-file.ts';
import { refuseUnfinishedAdoption } from './records/adoption-file.ts';
import { readLastCheck, writeLastCheck } from './records/last-check-file.ts';
import { findQuarantined, type ReleaseDigests } from './records/quarantine-file.ts';
import { writeSeen } from './records/seen-file.ts';
import { drive } from './runner.ts';
import { asSettled, settleProbation } from './settle.ts';
import { foreseeTrust, keepTrust, type KeepTrust } from './trust/keep.ts';
import { judgeWait, stopWaiting } from './waiting.ts';

/** What is on offer, and whether it would be taken. */
export interface Judgement {
  problems: MirrorProblem[];
  /** What is odd about what the mirrors show. */
  warnings: Warning[];
  offer?: Offer;
  decline?: Decline;
  /** The hold that stands, whatever else there is to say. */
  held?: Held | undefined;
  /** That what runs was halted; it is not left for that. */
  halted?: Halted | undefined;
}

/** What became of an update. `state` is what holds now. */
export interface UpdateResult extends Judgement {
  state: Settled;
  /** `kept`: the release runs. `left`: it was tried and did not stay. */
  outcome: 'declined' | 'kept' | 'left';
}

/** What the mirrors offer and what this node thinks of it. Changes nothing. */
export async function judgeMirrors(host: Host, wish: Wish): Promise<Judgement> {
  return judgeLook(host, await look(host, foreseeTrust), wish);
}

/** Whether an offer would get through preflight; throws what stands against it. Changes nothing. */
export async function rehearse(host: Host, offer: Offer): Promise<void> {
  await preflight(host, offer);
}

/**
 * Installs what the mirrors offer, if this node takes it, from the settled
 * `state`. Throws what kept it from being staged; nothing was changed then.
 */
export async function update(host: Host, state: Settled, wish: Wish): Promise<UpdateResult> {
  refuseUnfinishedAdoption(host.paths);
  const held = keepHold(host);
  const seen = await look(host, keepTrust);
  keepPlace(host, seen.newest);
  const judgement = { ...judgeLook(host, seen, wish, (offer) => keepSight(host, offer)), held };
  remember(host, seen, judgement);
  const { offer, decline } = judgement;
  if (offer !== undefined) dropDownloads(host, offer, decline);
  if (offer === undefined || decline !== undefined) {
    return { ...judgement, state, outcome: 'declined' };
  }
  if (wish.liftQuarantine === true) {
    liftQuarantine(host, digestsOf(offer), offer.deployment.version);
  }
  if (wish.byHand === true) stopWaiting(host, 'install', offer.deployment);
  host.note(`installing ${offer.deployment.version}`);
  const atOnce = wish.version !== undefined || leavesWithdrawn(offer, state.running?.deployment);
  const after = await install(host, state, offer, atOnce);
  const kept = after.running?.deployment.id === offer.deployment.id && after.name !== 'degraded';
  if (kept) stopWaiting(host, 'install', offer.deployment);
  return { ...judgement, state: after, outcome: kept ? 'kept' : 'left' };
}

/** Of downloads that were cut off, only those of what may yet be installed are of use. */
function dropDownloads({ paths }: Host, { selected }: Offer, decline: Decline | undefined): void {
  const isWanted = decline?.code !== 'up-to-date';
  keepDownloads(paths, isWanted ? selected : []);
}

async function install(
  host: Host,
  state: Settled,
  offer: Offer,
  atOnce: boolean,
): Promise<Settled> {
  const found = { name: 'found' as const, to: offer.deployment, asked: atOnce };
  let result = await drive(host, state, found, offer);
  if (result.state.name === 'staged') {
    keepInstall(host);
    result = await drive(host, result.state, { name: 'activate' }, offer);
  }
  if (result.refused !== undefined) throw new UpdaterError('MACHINE', result.refused);
  const after = asSettled(result.state);
  // Back where it began: not a verdict on the release, but something in the way of trying it.
  const isUndone = after === state || (state.name === 'probation' && after.name === 'committed');
  if (result.error !== undefined && isUndone) throw result.error;
  return settleProbation(host, after);
}

async function look(host: Host, keep: KeepTrust): Promise<Look> {
  const seen = await lookAtMirrors(host, keep);
  for (const { mirror, problem } of seen.problems) host.note(`mirror '${mirror}': ${problem}`);
  for (const { reason, hint } of seen.warnings) host.note(`warning: ${reason}; ${hint}`);
  return seen;
}

/** `onTakeable` is told of an offer that only its time may still stand against. */
function judgeLook(
  host: Host,
  seen: Look,
  wish: Wish,
  onTakeable: (offer: Offer) => void = () => {},
): Judgement {
  const { config, store } = host;
  const { newest, mirrors, problems, warnings, halts } = seen;
  const running = store.state.running?.deployment.version;
  const halted = running === undefined ? undefined : halts.halted.get(running);
  const judgement = { problems, warnings, halted };
  if ('code' in newest) return { ...judgement, decline: newest };
  const offer = selectOffer(newest, mirrors, halts.halted.get(newest.manifest.version));
  const stale = judgeFreshness(config, store, newest, new Date());
  if ('code' in offer) return { ...judgement, decline: stale ?? offer };
  const refusal = stale ?? judgeOffer(store, offer, wish) ?? judgeRollout(host, offer, wish);
  if (refusal === undefined) onTakeable(offer);
  const decline =
    refusal ?? judgeWait(host, store.state, offer, wish) ?? judgePace(host, offer, wish);
  return decline === undefined ? { ...judgement, offer } : { ...judgement, offer, decline };
}

/** Writes down what was seen: halts and the floor first, which decide what may be seen next. */
function remember(host: Host, seen: Look, { decline }: Judgement): void {
  const { newest, problems, halts, shown: shownBy } = seen;
  const { config, store, journal, paths } = host;
  const at = timestamp();
  for (const { mirror, problem } of problems) journal.append({ at, mirror, problem });
  keepHalts(host, halts);
  crashPoint('did-keep-halts');
  journalAlarms(host, seen, at);
  const stale = ['below-floor', 'equivocation', 'fast-forward', 'expired'];
  if (!('code' in newest) && !stale.includes(decline?.code ?? '')) {
    const raised = store.raiseFloor(indexOf(config), newest, at);
    const { sequence, version } = newest.manifest;
    crashPoint('did-raise-floor');
    if (raised) journal.append({ at, effect: 'raise-floor', sequence, version });
  }
  const served = seen.memory.toKeep(seen.mirrors.map(({ address }) => address));
  if (served !== undefined && served.length > 0) writeSeen(paths.seen, served);
  const shown = 'code' in newest ? undefined : newest.manifest;
  writeLastCheck(paths.lastCheck, {
    at,
    newest: shown && {
      version: shown.version,
      sequence: shown.sequence,
      expires: shown.expires,
    },
    refusal: decline,
    problems,
    mirrors: config.mirrors.length,
    warnings: seen.warnings.map(({ code, reason, hint }) => ({ code, reason, hint })),
    shown: shownBy,
  });
}

/** What is odd is told in the history once; as long as it lasts, with every check and on the screen. */
function journalAlarms({ journal, paths }: Host, { newest, warnings }: Look, at: string): void {
  const known = readLastCheck(paths.lastCheck)?.warnings ?? [];
  for (const { code, reason } of warnings) {
    if (known.every((each) => each.reason !== reason)) journal.append({ at, alarm: code, reason });
  }
  if (!('code' in newest) || warnings.some(({ reason }) => reason === newest.reason)) return;
  journal.append({ at, alarm: newest.code, reason: newest.reason });
}

/** Takes a release out of quarantine, because an operator said so. */
export function liftQuarantine(host: Host, release: ReleaseDigests, version: string): void {
  if (findQuarantined(host.store.quarantine, release) === undefined) return;
  host.journal.append({ at: timestamp(), lifted: version, digest: release.digest });
  host.store.liftQuarantine(release);
  host.note(`quarantine of ${version} lifted by hand`);
}
