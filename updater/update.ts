/**
 * An update from the look at the mirrors to the verdict. What the mirrors show
 * raises the floor before anything else is decided, also when nothing is
 * installed.
 */
import { crashPoint } from '@landfall/cli';
import { keepDownloads } from './effects/downloads.ts';
import { preflight } from './effects/preflight.ts';
import { NothingToBelieve, UpdaterError } from './errors.ts';
import { keepHalts } from './halts.ts';
import { timestamp, tryTo, type Host } from './host.ts';
import type { Settled } from './machine.ts';
import { judgeLook, look, type Judgement } from './judgement.ts';
import type { Look } from './mirrors.ts';
import {
  digestsOf,
  indexOf,
  leavesWithdrawn,
  type Decline,
  type Offer,
  type Wish,
} from './offer.ts';
import { keepHold, keepPlace, keepSight } from './policy/keep.ts';
import { refuseUnfinishedAdoption } from './records/adoption-file.ts';
import { readClock } from './records/clock.ts';
import { readHeld } from './records/hold-file.ts';
import { readLastCheck, withFailedCheck, writeLastCheck } from './records/last-check-file.ts';
import { findQuarantined, type ReleaseDigests } from './records/quarantine-file.ts';
import { writeSeen } from './records/seen-file.ts';
import { drive, type Result } from './runner.ts';
import { asSettled, settleProbation } from './settle.ts';
import { keepTrust } from './trust/keep.ts';
import { stopWaiting } from './waiting.ts';

/** What became of an update. `state` is what holds now. */
export interface UpdateResult extends Judgement {
  state: Settled;
  /** `kept`: the release runs. `left`: it was tried and did not stay. */
  outcome: 'declined' | 'kept' | 'left';
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
  const seen = await look(host, keepTrust).catch((error: unknown) => {
    if (error instanceof NothingToBelieve) tryTo(host, () => rememberFailure(host, error));
    throw error;
  });
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
  const { after, held: late } = await install(host, state, offer, atOnce, wish);
  if (late !== undefined) return { ...judgement, ...keepLate(host, late), state: after };
  const kept = after.running?.deployment.id === offer.deployment.id && after.name !== 'degraded';
  if (kept) stopWaiting(host, 'install', offer.deployment);
  return { ...judgement, state: after, outcome: kept ? 'kept' : 'left' };
}

/** Of downloads that were cut off, only those of what may yet be installed are of use. */
function dropDownloads({ paths }: Host, { selected }: Offer, decline: Decline | undefined): void {
  const isWanted = decline?.code !== 'up-to-date';
  keepDownloads(paths, isWanted ? selected : []);
}

/** What a hold that was begun meanwhile, or a window that closed, comes to: the same as one that stood, or was closed, before. */
function keepLate(
  { paths }: Host,
  { code, reason, hint, until }: NonNullable<Result['held']>,
): Pick<UpdateResult, 'outcome' | 'decline' | 'held'> {
  const decline: Decline = { code, reason, hint, until };
  const known = readLastCheck(paths.lastCheck);
  if (known !== undefined) writeLastCheck(paths.lastCheck, { ...known, refusal: decline });
  return { outcome: 'declined', decline, held: readHeld(paths.hold, readClock()) };
}

/** `held`: it was not activated, for a hold was begun, or the last window closed, while it was staged. */
async function install(
  host: Host,
  state: Settled,
  offer: Offer,
  atOnce: boolean,
  { despiteHold, byHand }: Wish,
): Promise<{ after: Settled } & Pick<Result, 'held'>> {
  const found = { name: 'found' as const, to: offer.deployment, asked: atOnce };
  let result = await drive(host, state, found, offer);
  if (result.state.name === 'staged') {
    const atAnyTime = byHand === true || leavesWithdrawn(offer, state.running?.deployment);
    const activate = { name: 'activate' as const, despiteHold, atAnyTime };
    result = await drive(host, result.state, activate, offer);
  }
  if (result.refused !== undefined) throw new UpdaterError('MACHINE', result.refused);
  const after = asSettled(result.state);
  // Back where it began: not a verdict on the release, but something in the way of trying it.
  const isUndone = after === state || (state.name === 'probation' && after.name === 'committed');
  if (result.error !== undefined && isUndone) throw result.error;
  const { held } = result;
  return { after: await settleProbation(host, after), ...(held === undefined ? {} : { held }) };
}

/** Writes down what was seen: halts and the floor first, which decide what may be seen next. */
function remember(host: Host, seen: Look, { offer, decline }: Judgement): void {
  const { newest, problems, halts, shown: shownBy } = seen;
  const { config, store, journal, paths } = host;
  const at = timestamp();
  const { failing } = readLastCheck(paths.lastCheck) ?? {};
  if (failing !== undefined) journal.append({ at, mirrors: 'again', since: failing.since });
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
      id: offer?.deployment.id,
    },
    refusal: decline,
    problems,
    mirrors: config.mirrors.length,
    warnings: seen.warnings.map(({ code, reason, hint }) => ({ code, reason, hint })),
    shown: shownBy,
  });
}

/** Writes down that nothing was seen, beside what was known before; the history tells it once, when it begins. */
function rememberFailure({ config, journal, paths }: Host, error: NothingToBelieve): void {
  const { problems, hint, message } = error;
  const at = timestamp();
  const before = readLastCheck(paths.lastCheck);
  if (before?.failing === undefined) journal.append({ at, mirrors: 'failing', reason: message });
  const failed = { at, problems: [...problems], mirrors: config.mirrors.length, hint };
  writeLastCheck(paths.lastCheck, withFailedCheck(before, failed));
}

/** What is odd is told in the history once; as long as it lasts, with every check and on the screen. */
function journalAlarms({ journal, paths }: Host, { newest, warnings }: Look, at: string): void {
  const { warnings: known = [], refusal } = readLastCheck(paths.lastCheck) ?? {};
  for (const { code, reason } of warnings) {
    if (known.every((each) => each.reason !== reason)) journal.append({ at, alarm: code, reason });
  }
  if (!('code' in newest) || warnings.some(({ reason }) => reason === newest.reason)) return;
  if (refusal?.code === newest.code && matterOf(refusal) === matterOf(newest)) return;
  journal.append({ at, alarm: newest.code, reason: newest.reason });
}

/** Its reason without the time of the look, which is another one each time. */
function matterOf({ reason }: Pick<Decline, 'reason'>): string {
  return reason.replace(/, found [\d:.T-]+Z$/, '');
}

/** Takes a release out of quarantine, because an operator said so. */
export function liftQuarantine(host: Host, release: ReleaseDigests, version: string): void {
  if (findQuarantined(host.store.quarantine, release) === undefined) return;
  host.journal.append({ at: timestamp(), lifted: version, digest: release.digest });
  host.store.liftQuarantine(release);
  host.note(`quarantine of ${version} lifted by hand`);
}
