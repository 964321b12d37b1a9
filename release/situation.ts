/** Collects what `decide` needs to know from the working folder. Changes nothing. */
import { OtaError } from '@landfall/errors';
import type { Manifest } from '@landfall/manifest';
import { decide, type Decision, type Known, placeAfter, type Situation } from './decide.ts';
import { listDrafts, waitingDraft } from './drafts.ts';
import { expectedOf } from './load-config.ts';
import { need, type Shipment } from './shipment.ts';
import type { SignedManifest } from './signed.ts';
import {
  listVersions,
  readBuildRecord,
  readSigned,
  signedChannels,
  versionFolder,
} from './workspace.ts';

/**
 * Decides on this version. What waits here for signatures counts as begun: its
 * manifest becomes the shipment's draft. Throws what `decide` throws.
 */
export function decideHere(shipment: Shipment): Decision {
  const { settings, version, channel, local } = shipment;
  const signed = local?.verified.manifest.sequence ?? 0;
  const best = bestOf(shipment);
  const draft = waitingDraft(
    settings,
    channel,
    best,
    (manifest) => manifest.version === version && manifest.sequence > signed,
  );
  const situation = findSituation(shipment);
  if (draft === undefined) return adoptAnew(decide(situation), shipment);
  const decision = decide({ ...situation, local: draft });
  if (decision.kind !== 'resume') return decision;
  shipment.draft = draft;
  return { kind: 'collect' };
}

/** What the channel's next manifest follows: what a root document says, else the newest on any mirror. */
export function bestOf({ survey, floor }: Shipment): Known | undefined {
  return floor ?? need(survey, 'survey').best;
}

/** What only replaced keys signed is not finished, but signed once more by today's. */
function adoptAnew(decision: Decision, shipment: Shipment): Decision {
  const { floor } = shipment;
  if (decision.kind !== 'adopt' || floor === undefined) return decision;
  return { kind: 'reissue', base: floor.manifest, place: placeAfter(findSituation(shipment)) };
}

/** What is known about this version and channel, here and on the mirrors. */
export function findSituation(shipment: Shipment): Situation {
  const { settings, version, channel, local } = shipment;
  const here = versionFolder(settings, version);
  return {
    version,
    channel,
    best: bestOf(shipment),
    local: local?.verified,
    localSequence: highestSignedHere(shipment),
    built: local === undefined ? readBuildRecord(here)?.artifacts : undefined,
  };
}

/**
 * The highest sequence that was ever signed in this folder for the channel, by
 * all who must or by some. A signed manifest may have reached a mirror that is
 * down now, and the signatures that one lacks may be on their way, so its
 * number is never given to another.
 */
function highestSignedHere(shipment: Shipment): number {
  const waiting = listDrafts(shipment.settings)
    .filter(({ manifest }) => manifest.channel === shipment.channel)
    .map(({ manifest }) => manifest.sequence);
  return Math.max(newestSignedHere(shipment)?.sequence ?? 0, ...waiting);
}

/** The manifest with the highest sequence that was signed in this folder for the channel. */
export function newestSignedHere(shipment: Shipment): Manifest | undefined {
  return signedHere(shipment)[0]?.verified.manifest;
}

/** Every manifest that was signed in this folder for the channel and still verifies, newest first. */
export function signedHere(shipment: Pick<Shipment, 'settings' | 'channelPath'>): SignedManifest[] {
  const { settings, channelPath } = shipment;
  return listVersions(settings)
    .flatMap(
      (version) => tryReadSigned(shipment, versionFolder(settings, version), channelPath) ?? [],
    )
    .toSorted((a, b) => b.verified.manifest.sequence - a.verified.manifest.sequence);
}

/**
 * When this version was signed here for another channel, or waits for signatures
 * of one, its artifacts are taken: a version has one set of them, so they are
 * shipped again as they are, and are of the commit that they were built from.
 */
export function reuseArtifacts(shipment: Shipment): void {
  const { settings, version } = shipment;
  const folder = versionFolder(settings, version);
  for (const channelPath of signedChannels(folder)) {
    if (channelPath === shipment.channelPath) continue;
    const signed = tryReadSigned(shipment, folder, channelPath);
    if (signed === undefined) continue;
    shipment.reused = signed.verified.manifest;
    return;
  }
  const draft = listDrafts(settings).find(({ manifest }) => manifest.version === version);
  if (draft !== undefined) shipment.reused = draft.manifest;
}

/** Undefined also for what does not verify any more: keys may have changed since. */
function tryReadSigned(
  shipment: Pick<Shipment, 'settings'>,
  folder: string,
  channelPath: string | undefined,
): SignedManifest | undefined {
  const channel = channelPath ?? shipment.settings.channel;
  try {
    return readSigned(folder, channelPath, expectedOf(shipment.settings, channel));
  } catch (error) {
    if (error instanceof OtaError) return undefined;
    throw error;
  }
}
