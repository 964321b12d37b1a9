/**
 * What shipping a version means, given what mirrors have and what was signed
 * here. Pure: no disk, no clock, no network.
 *
 * A release is begun once: then its manifest has a sequence, a predecessor and
 * signatures, and every later run finishes that very manifest or refuses.
 */
import { artifactFiles, compareVersions, isNewer, type Manifest } from '@landfall/manifest';
import { ReleaseError } from './errors.ts';
import { reasonsOf } from './withdrawals.ts';

/** What identifies a manifest. */
export interface Known {
  readonly manifest: Manifest;
  readonly sha256: string;
}

/** All that a decision is made from. What is `local` or on mirrors was verified before. */
export interface Situation {
  readonly version: string;
  readonly channel: string;
  /** The newest manifest of the channel on any mirror. */
  readonly best: Known | undefined;
  /** The manifest that was signed here for this version and channel. */
  readonly local: Known | undefined;
  /** Highest sequence that was ever signed here for the channel; 0 for none. */
  readonly localSequence: number;
  /** What a build here made for this version, if it was never signed. */
  readonly built: readonly { file: string; sha256: string }[] | undefined;
}

/** Where the next manifest of a channel stands, and what it carries on from the one before it. */
export interface Place {
  readonly sequence: number;
  readonly previous: Manifest['previous'];
  readonly withdrawn: readonly string[];
  /** Why versions were withdrawn, by version, where a reason was given. */
  readonly reasons: Readonly<Record<string, string>>;
}

/** Which manifest is published, and where it comes from. Only `new` builds. */
export type Decision =
  /** Build, sign, ship. */
  | { readonly kind: 'new'; readonly place: Place }
  /** Sign a new manifest for artifacts that were released before, as they are. */
  | { readonly kind: 'reissue'; readonly place: Place; readonly base: Manifest }
  /** Go on collecting signatures for a manifest that was made here. */
  | { readonly kind: 'collect' }
  /** Finish what was signed here. */
  | { readonly kind: 'resume' }
  /** Finish what a mirror serves: it was signed elsewhere, or the folder is gone. */
  | { readonly kind: 'adopt' };

/**
 * Decides. Throws `ReleaseError`: VERSION_NOT_NEWER, SUPERSEDED (the release
 * signed here was overtaken), BYTES_DIFFER, EQUIVOCATION, WITHDRAWN.
 */
export function decide(situation: Situation): Decision {
  const { version, best, local } = situation;
  if (best?.manifest.withdrawn.includes(version) === true) throw withdrawn(version, best.manifest);
  if (best !== undefined && best.manifest.version === version) return decideSame(situation, best);
  if (local !== undefined) return decideResume(situation, best, local);
  if (best !== undefined && !isNewer(version, best.manifest.version)) {
    throw notNewer(version, best.manifest);
  }
  return { kind: 'new', place: placeAfter(situation) };
}

/** The place of the channel's next manifest, whatever it is for. */
export function placeAfter({
  best,
  localSequence,
}: Pick<Situation, 'best' | 'localSequence'>): Place {
  return {
    sequence: Math.max(best?.manifest.sequence ?? 0, localSequence) + 1,
    previous: best === undefined ? null : { sequence: best.manifest.sequence, sha256: best.sha256 },
    withdrawn: best?.manifest.withdrawn ?? [],
    reasons: best === undefined ? {} : reasonsOf(best.manifest),
  };
}

/** The mirrors already have this version. */
function decideSame(situation: Situation, best: Known): Decision {
  const { local, built, version } = situation;
  if (local?.sha256 === best.sha256) return { kind: 'resume' };
  const here = local === undefined ? built : filesOf(local.manifest);
  const differing = here === undefined ? [] : differences(here, filesOf(best.manifest));
  if (differing.length > 0) {
    throw new ReleaseError(
      'BYTES_DIFFER',
      `release ${version} is on the mirrors with other bytes than here: ${differing.join(', ')}`,
      {
        hint: `a version has one set of bytes: choose a newer version, or remove '.release/${version}' to go on with what the mirrors have`,
      },
    );
  }
  if (local?.manifest.sequence === best.manifest.sequence) throw taken(local, best);
  if (local !== undefined && local.manifest.sequence > best.manifest.sequence) {
    // A later manifest of the same artifacts, signed here and not yet out.
    return decideResume(situation, best, local);
  }
  return { kind: 'adopt' };
}

/** A release was signed here. It may be finished unless another took its place in the chain. */
function decideResume(situation: Situation, best: Known | undefined, local: Known): Decision {
  const { version, channel } = situation;
  const { sequence, previous } = local.manifest;
  if (best === undefined || best.manifest.sequence < (previous?.sequence ?? 0)) {
    return { kind: 'resume' };
  }
  if (best.manifest.sequence === sequence) throw taken(local, best);
  if (best.manifest.sequence === previous?.sequence) {
    if (best.sha256 === previous.sha256) return { kind: 'resume' };
    throw new ReleaseError(
      'EQUIVOCATION',
      `two manifests have sequence ${best.manifest.sequence}: release ${version}, signed here, follows ${previous.sha256.slice(0, 12)}…, the mirrors have ${best.sha256.slice(0, 12)}… (${best.manifest.version})`,
      { hint: 'both were signed with your keys: find out who signed the other before going on' },
    );
  }
  const newer = compareVersions(version, best.manifest.version) > 0;
  throw new ReleaseError(
    'SUPERSEDED',
    `release ${version} was signed here with sequence ${sequence} of channel '${channel}' and overtaken by ${best.manifest.version} (sequence ${best.manifest.sequence})`,
    {
      hint: newer
        ? `remove '.release/${version}' and ship it again: it then follows ${best.manifest.version}`
        : `nothing is left to do for ${version}: 'release ship ${best.manifest.version}' completes the newest`,
    },
  );
}

function withdrawn(version: string, best: Manifest): ReleaseError {
  const why = reasonsOf(best)[version];
  return new ReleaseError(
    'WITHDRAWN',
    `release ${version} was withdrawn from channel '${best.channel}'${why === undefined ? '' : `: ${why}`}`,
    {
      hint: 'nodes refuse a withdrawn version for good: ship what was repaired as a newer version',
    },
  );
}

function notNewer(version: string, best: Manifest): ReleaseError {
  return new ReleaseError(
    'VERSION_NOT_NEWER',
    `version is not newer: expected one after ${best.version} (channel '${best.channel}', sequence ${best.sequence}), found ${version}`,
    { hint: 'raise the version in package.json, or give the new one: release ship VERSION' },
  );
}

/** The place in the chain that was signed for here belongs to another manifest by now. */
function taken(local: Known, best: Known): ReleaseError {
  const { version, sequence } = local.manifest;
  const other = best.manifest.version;
  return new ReleaseError(
    'SUPERSEDED',
    `sequence ${sequence} was signed here for release ${version} (${local.sha256.slice(0, 12)}…), and the mirrors have it for ${other} (${best.sha256.slice(0, 12)}…)`,
    {
      hint:
        compareVersions(version, other) > 0 || version === other
          ? `if ${other} was shipped from another machine, remove '.release/${version}' and ship ${version} again; if nobody did, a key is in wrong hands`
          : `if ${other} was shipped from another machine, remove '.release/${version}' and choose a version after ${other}; if nobody did, a key is in wrong hands`,
    },
  );
}

/** A file that was made or published; a delta may be missing on the one side. */
interface Made {
  readonly file: string;
  readonly sha256: string;
  readonly isDelta?: boolean;
}

function filesOf(manifest: Manifest): Made[] {
  return artifactFiles(manifest).map(({ file, sha256, artifact }) => ({
    file,
    sha256,
    isDelta: artifact === undefined,
  }));
}

/**
 * Names of files that are in both lists with other bytes, or in one only. Deltas
 * only lead to artifacts: which of them there are depends on which earlier
 * releases could be had where it was built.
 */
function differences(here: readonly Made[], there: readonly Made[]): string[] {
  const mine = new Map(here.map((each) => [each.file, each]));
  const theirs = new Map(there.map((each) => [each.file, each]));
  return [...new Set([...mine.keys(), ...theirs.keys()])].filter((file) => {
    const [a, b] = [mine.get(file), theirs.get(file)];
    if (a !== undefined && b !== undefined) return a.sha256 !== b.sha256;
    return (a ?? b)?.isDelta !== true;
  });
}
