/** What the steps of one `release ship` share. Each step fills in what the later ones need. */
import type { Component, Manifest } from '@landfall/manifest';
import type { SecretKey } from '@landfall/minisign';
import type { SignedProvenance, Survey } from '@landfall/mirrors';
import { type Settings, toMs } from './config.ts';
import type { Decision, Known } from './decide.ts';
import type { Draft } from './drafts.ts';
import { ReleaseError } from './errors.ts';
import type { HaltRun } from './halt.ts';
import type { MirrorProgress, Patience } from './mirror-progress.ts';
import type { Proofs } from './proofs.ts';
import type { PlannedSteps } from './rollout.ts';
import type { Expected, SignedManifest } from './signed.ts';
import type { Packed } from './steps/pack.ts';
import type { Source } from './steps/source.ts';
import type { Waiting } from './waiting.ts';
import { readOutdated, readSigned, scratchOf, versionFolder } from './workspace.ts';

/** What building needs; `release build` has only this. */
export interface Build {
  readonly settings: Settings;
  version: string;
  /** Where the artifacts are or will be: `.release/<version>`, or a temporary folder for a dry run. */
  folder: string;
  readonly signal: AbortSignal;
  source?: Source;
  components?: readonly Component[];
  packed?: readonly Packed[];
  /** When building began. */
  begun?: Date;
}

/** One publication on its way; `need` reads what an earlier step has filled in. */
export interface Shipment extends Build {
  readonly channel: string;
  /** Undefined for the default channel. */
  readonly channelPath: string | undefined;
  readonly expected: Expected;
  readonly quorum: number;
  readonly dryRun: boolean;
  /** Names of mirrors whose index branch may be replaced where it has diverged. */
  readonly forced: ReadonlySet<string>;
  /** In which steps it goes out, where somebody said so. */
  readonly steps?: PlannedSteps | undefined;
  /** A folder for what is read back; removed at the end. */
  scratch: string;
  readonly mirrors: readonly MirrorProgress[];
  /** What was signed here for this version and channel by an earlier run. */
  local: SignedManifest | undefined;
  /** A dry run's folder for what is not here; undefined otherwise. */
  temporary?: string;
  /** What the release says about itself, for people. */
  notes?: string;
  survey?: Survey;
  /** What the channel goes on from after its keys were replaced; see `floor.ts`. */
  floor?: Known;
  /** Names of mirrors that lack root documents. */
  withoutRoots?: ReadonlySet<string>;
  /** Halt files that nodes do not believe, and what takes their place before anything else. */
  halts?: HaltRun;
  decision?: Decision;
  /** What another channel was, or is to be, given of this version: a new release ships its artifacts. */
  reused?: Manifest;
  /** The manifest that signatures are collected for, when an earlier run began that. */
  draft?: Draft;
  /** Why nothing can be published yet: signatures of others are missing. */
  waiting?: Waiting;
  keys?: readonly SecretKey[];
  /** How the artifacts were built, where that is known. */
  provenance?: SignedProvenance;
  /** The release, once it is signed here, found signed here, or taken from a mirror. */
  signed?: SignedManifest;
  /** What was proven of it; a dry run has none. */
  proofs?: Proofs;
}

/** How long the others are waited for once a quorum is done with a step. */
export function patienceOf({ quorum, settings }: Shipment): Patience {
  return { quorum, ms: toMs(settings.patience) };
}

/** The value of an earlier step. Throws when the list of steps is in the wrong order. */
export function need<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`step out of order: no ${what} yet`);
  return value;
}

/** Makes `version` the one that is shipped, and looks for what was signed here for it. */
export function turnTo(shipment: Shipment, version: string): void {
  const { settings, temporary } = shipment;
  const here = versionFolder(settings, version);
  shipment.version = version;
  shipment.local = readCurrent(here, shipment);
  shipment.folder = temporary === undefined || shipment.local !== undefined ? here : temporary;
  shipment.scratch = scratchOf(temporary ?? here);
}

/**
 * What was signed here, unless the keys were replaced since: then nobody
 * believes it any more, and its release is signed anew. Throws `ReleaseError`
 * DAMAGED for what no keys of any time signed.
 */
function readCurrent(
  here: string,
  { settings, channelPath, expected }: Shipment,
): SignedManifest | undefined {
  try {
    return readSigned(here, channelPath, expected);
  } catch (error) {
    if (!(error instanceof ReleaseError) || error.code !== 'DAMAGED') throw error;
    if (readOutdated(settings, here, channelPath, expected) !== undefined) return undefined;
    throw error;
  }
}

/** The one command that completes what is missing. */
export function nextCommand({
  version,
  channel,
  channelPath,
}: Pick<Shipment, 'version' | 'channel' | 'channelPath'>): string {
  return `release ship ${version}${channelPath === undefined ? '' : ` --channel ${channel}`}`;
}
