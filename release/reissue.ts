/**
 * Deciding on a new manifest for a release that was made before: a renewal, a
 * withdrawal, a promotion. Artifacts stay as they are. Each decision can be made
 * again after a crash: what was signed here and is not out yet is finished.
 */
import { compareVersions, type Manifest } from '@landfall/manifest';
import { type Decision, type Known, placeAfter } from './decide.ts';
import { waitingDraft } from './drafts.ts';
import { ReleaseError } from './errors.ts';
import { knownManifests } from './known.ts';
import { goesOutIn, type PlannedSteps } from './rollout.ts';
import type { Decide } from './ship.ts';
import { nextCommand, type Shipment, turnTo } from './shipment.ts';
import type { Show } from './show.ts';
import { bestOf, decideHere, findSituation, signedHere } from './situation.ts';

/** Says what was decided. */
export function sayDecision({ decision, version }: Shipment, show: Show): void {
  if (decision?.kind === 'collect') show.outcome('go on with what waits for signatures');
  if (decision?.kind === 'resume') show.outcome('finish what was signed here');
  if (decision?.kind === 'adopt') show.outcome('finish what a mirror serves');
  if (decision?.kind !== 'reissue') return;
  show.outcome(`${version} once more, sequence ${decision.place.sequence}`);
}

/** Says that what was signed is not given other steps by the way. */
export function sayStepsStay({ steps }: Shipment, show: Show): void {
  if (steps === undefined) return;
  show.line(`its steps stay as they were signed; 'release rollout' gives it others`);
}

/** The same release with a later end. */
export const decideRenewal: Decide = (shipment, show) => {
  const best = publishedOn(shipment);
  const { version } = best.manifest;
  if (finishUnpublished(shipment, best, (manifest) => manifest.version === version)) {
    return sayDecision(shipment, show);
  }
  reissue(shipment, best.manifest, placeAfter(findSituation(shipment)));
  sayDecision(shipment, show);
};

/** The current release, which must be `version`, once more with other steps. Throws `ReleaseError` NOT_PUBLISHED. */
export function decideRollout(version: string, steps: PlannedSteps): Decide {
  return (shipment, show) => {
    const best = publishedOn(shipment);
    const { manifest } = best;
    if (manifest.version !== version) {
      throw new ReleaseError(
        'NOT_PUBLISHED',
        `${version} is not the current release of channel '${shipment.channel}': expected ${manifest.version}`,
        { hint: 'only the current release goes out; check the version and the channel' },
      );
    }
    const isWanted = (each: Manifest): boolean =>
      each.version === version && goesOutIn(each, steps);
    if (isWanted(manifest)) {
      turnTo(shipment, version);
      shipment.decision = decideHere(shipment);
    } else if (!finishUnpublished(shipment, best, isWanted)) {
      reissue(shipment, manifest, placeAfter(findSituation(shipment)));
    }
    sayDecision(shipment, show);
  };
}

/** What `--from` has, as the next release of this channel. `base` is verified. */
export function decidePromotion(base: Manifest): Decide {
  return (shipment, show) => {
    const decision = decideHere(shipment);
    if (decision.kind === 'new')
      reissue(shipment, { ...base, rollout: { steps: [] } }, decision.place);
    else {
      shipment.decision = decision;
      sayStepsStay(shipment, show);
    }
    sayDecision(shipment, show);
  };
}

/** What `release withdraw` is told. */
export interface Withdrawal {
  /** What is withdrawn. */
  version: string;
  /** Why, for people. */
  reason: string | undefined;
  /** The release to go back to; the newest good one unless told. */
  to: string | undefined;
  /** Somebody else published it, with a key that was stolen: it need not be known here. */
  foreign: boolean;
}

/**
 * A manifest that names the version as withdrawn; when it is the current one,
 * of an earlier release. Throws `ReleaseError` NOT_PUBLISHED, NOTHING_GOOD.
 */
export function decideWithdrawal(withdrawal: Withdrawal): Decide {
  const { version, reason, to, foreign } = withdrawal;
  return async (shipment, show) => {
    const best = publishedOn(shipment);
    const { manifest } = best;
    const names = ({ withdrawn }: Manifest): boolean => withdrawn.includes(version);
    const isWanted = (each: Manifest): boolean =>
      names(each) && (to === undefined || each.version === to);
    if (finishUnpublished(shipment, best, isWanted)) return sayDecision(shipment, show);
    if (names(manifest)) {
      if (!isWanted(manifest)) throw goneAlready(version, manifest);
      show.line(`${version} is withdrawn already, since sequence ${manifest.sequence} or before`);
      turnTo(shipment, manifest.version);
      shipment.decision = decideHere(shipment);
      return sayDecision(shipment, show);
    }
    if (!foreign) refuseUnknown(shipment, version, manifest);
    const base = manifest.version === version ? await goodRelease(shipment, withdrawal) : manifest;
    if (to !== undefined && base.version !== to) throw notCurrent(version, manifest);
    const place = placeAfter(findSituation(shipment));
    reissue(shipment, base, {
      ...place,
      withdrawn: [...place.withdrawn, version],
      reasons: reason === undefined ? place.reasons : { ...place.reasons, [version]: reason },
    });
    const { sequence } = place;
    show.outcome(
      base === manifest
        ? `${version} becomes withdrawn, ${base.version} stays, sequence ${sequence}`
        : `${version} becomes withdrawn, nodes go back to ${base.version}, sequence ${sequence}`,
    );
  };
}

function reissue(
  shipment: Shipment,
  base: Manifest,
  place: Extract<Decision, { kind: 'reissue' }>['place'],
): void {
  turnTo(shipment, base.version);
  shipment.decision = { kind: 'reissue', base, place };
}

/** The channel's current release. Throws `ReleaseError` NOT_PUBLISHED. */
function publishedOn(shipment: Shipment): Known {
  const { channel } = shipment;
  const best = bestOf(shipment);
  if (best !== undefined) return best;
  throw new ReleaseError('NOT_PUBLISHED', `channel '${channel}' has no release on any mirror`, {
    hint: "'release status' shows what each mirror has; 'release ship' publishes the first",
  });
}

/** Goes on with a manifest that was signed here by all or some, is next in the chain, and says what is wanted. */
function finishUnpublished(
  shipment: Shipment,
  best: Known,
  wanted: (manifest: Manifest) => boolean,
): boolean {
  const found = signedHere(shipment).find(
    ({ verified: { manifest } }) => manifest.previous?.sha256 === best.sha256 && wanted(manifest),
  );
  const sequence = found?.verified.manifest.sequence ?? 0;
  const draft = waitingDraft(
    shipment.settings,
    shipment.channel,
    best,
    (manifest) => manifest.sequence > sequence && wanted(manifest),
  );
  const version = draft?.manifest.version ?? found?.verified.manifest.version;
  if (version === undefined) return false;
  turnTo(shipment, version);
  shipment.decision = { kind: draft === undefined ? 'resume' : 'collect' };
  if (draft !== undefined) shipment.draft = draft;
  return true;
}

/** A version that nodes cannot have: most likely a slip of the finger, and withdrawn is for good. */
function refuseUnknown(shipment: Shipment, version: string, current: Manifest): void {
  if (compareVersions(version, current.version) <= 0) return;
  if (signedHere(shipment).some(({ verified }) => verified.manifest.version === version)) return;
  throw new ReleaseError(
    'NOT_PUBLISHED',
    `channel '${current.channel}' never had ${version}: expected ${current.version} or one before it`,
    {
      hint: 'check the version: one that was withdrawn can never be shipped again; --foreign, if a thief published it',
    },
  );
}

function notCurrent(version: string, current: Manifest): ReleaseError {
  return new ReleaseError(
    'NOTHING_GOOD',
    `--to: expected none, because ${version} is not the current release; found another than ${current.version}`,
    { hint: `nodes on ${version} go to ${current.version}: leave --to out` },
  );
}

function goneAlready(version: string, current: Manifest): ReleaseError {
  return new ReleaseError(
    'NOTHING_GOOD',
    `--to: ${version} is withdrawn already, and the channel has ${current.version} now: expected that or none`,
    { hint: `to move nodes on from there: release withdraw ${current.version} --to VERSION` },
  );
}

/** The manifest of the release to go back to. Throws `ReleaseError` NOTHING_GOOD. */
async function goodRelease(shipment: Shipment, { version, to }: Withdrawal): Promise<Manifest> {
  const current = publishedOn(shipment).manifest;
  const known = (await knownManifests(shipment)).filter(
    ({ manifest }) => manifest.version !== version && !current.withdrawn.includes(manifest.version),
  );
  if (to !== undefined) {
    const chosen = known.find(({ manifest }) => manifest.version === to);
    if (chosen !== undefined) return chosen.manifest;
    throw nothingGood(shipment, version, `${to} is not known here as a good one`);
  }
  const [newest] = known
    .filter(({ published, manifest }) => published && manifest.sequence < current.sequence)
    .toSorted((a, b) => compareVersions(b.manifest.version, a.manifest.version));
  if (newest !== undefined) return newest.manifest;
  const unsure = known.map(({ manifest }) => manifest.version);
  throw nothingGood(
    shipment,
    version,
    unsure.length === 0
      ? 'no earlier one is known here'
      : `of ${unsure.join(', ')} it is not known whether nodes ever had them`,
    unsure[0],
  );
}

function nothingGood(
  shipment: Shipment,
  version: string,
  why: string,
  candidate?: string,
): ReleaseError {
  const { channel, channelPath } = shipment;
  const withdraw = `release withdraw ${version}${channelPath === undefined ? '' : ` --channel ${channel}`}`;
  const hint =
    candidate === undefined
      ? `run it where earlier releases were shipped from (.release/<version>/manifest.json); or ship a repaired, newer version (${nextCommand({ ...shipment, version: 'VERSION' })}) and then '${withdraw}'`
      : `name it: '${withdraw} --to ${candidate}'`;
  return new ReleaseError(
    'NOTHING_GOOD',
    `${version} is the current release, and there is none to go back to: ${why}`,
    { hint },
  );
}
