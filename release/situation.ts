/** Collects what `decide` needs to know from the working folder. Changes nothing. */
import { OtaError } from '@landfall/errors';
import type { Manifest } from '@landfall/manifest';
import type { Situation } from './decide.ts';
import { need, type Shipment } from './shipment.ts';
import type { SignedManifest } from './signed.ts';
import {
  listVersions,
  readBuildRecord,
  readSigned,
  signedChannels,
  versionFolder,
} from './workspace.ts';

/** What is known about this version and channel, here and on the mirrors. */
export function findSituation(shipment: Shipment): Situation {
  const { settings, version, channel, local, survey } = shipment;
  const here = versionFolder(settings, version);
  return {
    version,
    channel,
    best: need(survey, 'survey').best,
    local: local?.verified,
    localSequence: highestSignedHere(shipment),
    built: local === undefined ? readBuildRecord(here)?.artifacts : undefined,
  };
}

/**
 * The highest sequence that was ever signed in this folder for the channel. A
 * signed manifest may have reached a mirror that is down now, so its number is
 * never given to another.
 */
function highestSignedHere(shipment: Shipment): number {
  return newestSignedHere(shipment)?.sequence ?? 0;
}

/** The manifest with the highest sequence that was signed in this folder for the channel. */
export function newestSignedHere(shipment: Shipment): Manifest | undefined {
  return signedHere(shipment)[0]?.verified.manifest;
}

/** Every manifest that was signed in this folder for the channel and still verifies, newest first. */
export function signedHere(
  shipment: Pick<Shipment, 'settings' | 'channelPath' | 'expected'>,
): SignedManifest[] {
  const { settings, channelPath } = shipment;
  return listVersions(settings)
    .flatMap(
      (version) => tryReadSigned(shipment, versionFolder(settings, version), channelPath) ?? [],
    )
    .toSorted((a, b) => b.verified.manifest.sequence - a.verified.manifest.sequence);
}

/**
 * When this version was signed here for another channel, takes its artifacts:
 * a version has one set of them, so they are shipped again as they are.
 */
export function reuseArtifacts(shipment: Shipment): void {
  const folder = versionFolder(shipment.settings, shipment.version);
  for (const channelPath of signedChannels(folder)) {
    if (channelPath === shipment.channelPath) continue;
    const signed = tryReadSigned(shipment, folder, channelPath);
    if (signed === undefined) continue;
    shipment.folder = folder;
    shipment.components = signed.verified.manifest.components;
    return;
  }
}

/** Undefined also for what does not verify any more: keys may have changed since. */
function tryReadSigned(
  shipment: Pick<Shipment, 'settings' | 'expected'>,
  folder: string,
  channelPath: string | undefined,
): SignedManifest | undefined {
  const channel = channelPath ?? shipment.settings.channel;
  try {
    return readSigned(folder, channelPath, { ...shipment.expected, channel });
  } catch (error) {
    if (error instanceof OtaError) return undefined;
    throw error;
  }
}
