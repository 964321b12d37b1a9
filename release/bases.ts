/**
 * Which other releases deltas lead away from, and what a node that runs one
 * of them has. Searching asks mirrors and changes nothing; choosing is pure.
 */
import {
  type Artifact,
  artifactDigest,
  type Component,
  type Manifest,
  MAX_DELTAS,
  type Platform,
  satisfies,
} from '@landfall/manifest';
import { type Mirror, openMirrors, surveyMirrors } from '@landfall/mirrors';
import { type Known, knownManifests, type Search } from './known.ts';
import { expectedOf, policyOf } from './load-config.ts';
import { need, type Build } from './shipment.ts';
import { channelPathOf, listVersions, signedChannels, versionFolder } from './workspace.ts';

/** So far back is looked for one: a release may have been renewed, or gone out in steps. */
const MANIFESTS_A_RELEASE = 6;

/** An artifact that nodes may run: what a delta is applied to. */
export interface Base {
  readonly version: string;
  readonly artifact: Artifact;
}

/** Where a build that publishes nothing looks: at what the default channel's mirrors serve, and here. */
export async function searchFor({ settings, signal }: Build): Promise<Search> {
  const expected = expectedOf(settings, settings.channel);
  const { app, policy } = expected;
  const mirrors = openMirrors(settings.mirrors, { directory: settings.directory });
  const survey = await surveyMirrors(mirrors, { app, policy, signal });
  return { settings, channelPath: undefined, expected, survey, mirrors: [], signal };
}

/**
 * The releases that deltas to `version` are made from, and the mirrors to fetch
 * them from, fastest first. Besides the channel's own earlier ones those that
 * other channels have now: nodes come from there when it is promoted.
 */
export async function earlierReleases(
  search: Search,
  version: string,
): Promise<{ releases: Manifest[]; mirrors: Mirror[] }> {
  const rows = need(search.survey, 'survey').rows.toSorted((a, b) => a.ms - b.ms);
  const mirrors = rows
    .filter(({ verified, problem }) => verified !== undefined || problem?.code === 'NOT_FOUND')
    .map(({ mirror }) => mirror);
  const { deltas: count, requires } = search.settings;
  const { from } = requires;
  const known = await knownManifests(search, count * MANIFESTS_A_RELEASE);
  const own = chooseReleases(known, { version, count, from });
  const chosen = new Set([version, ...own.map((each) => each.version)]);
  const others = await elsewhere(search, mirrors);
  const added = others.filter((each) => !chosen.has(each.version) && mayLeave(each, from));
  return { releases: [...own, ...added].slice(0, MAX_DELTAS), mirrors };
}

/** What other channels have now: those that a root document lists, that were signed here, and the default one. */
async function elsewhere(
  { settings, expected, signal }: Search,
  mirrors: readonly Mirror[],
): Promise<Manifest[]> {
  const listed = settings.roots.at(-1)?.root.channels.map(({ channel }) => channel);
  const signed = listVersions(settings)
    .flatMap((version) => signedChannels(versionFolder(settings, version)))
    .map((path) => path ?? settings.channel);
  const channels = new Set(listed ?? [settings.channel, ...signed]);
  channels.delete(expected.channel);
  const found = new Map<string, Manifest>();
  for (const channel of channels) {
    const { best } = await surveyMirrors(mirrors, {
      app: settings.app,
      channel: channelPathOf(settings, channel),
      policy: policyOf(settings, channel),
      signal,
    });
    if (best?.manifest.channel === channel) found.set(best.manifest.version, best.manifest);
  }
  return [...found.values()];
}

/**
 * The newest `count` versions that nodes could have had before `version`, of those
 * in the range `from`; `known` has the newest manifest first. Withdrawn ones
 * count: nodes that run one have to leave it.
 */
export function chooseReleases(
  known: readonly Known[],
  { version, count, from }: { version: string; count: number; from?: string | undefined },
): Manifest[] {
  const chosen = new Map<string, Manifest>();
  for (const { manifest, published } of known) {
    if (chosen.size === count) break;
    if (!published || manifest.version === version || chosen.has(manifest.version)) continue;
    if (!mayLeave(manifest, from)) continue;
    chosen.set(manifest.version, manifest);
  }
  return [...chosen.values()];
}

/** Nodes that run another release are refused the new one: nothing leads there from it. */
function mayLeave({ version }: Manifest, from: string | undefined): boolean {
  return from === undefined || satisfies(version, from);
}

/**
 * What a node of `platform` took from each of `releases` for this component.
 * Of releases with the same content only the first: one delta serves all.
 */
export function basesOf(
  releases: readonly Manifest[],
  { name, kind }: Pick<Component, 'name' | 'kind'>,
  platform: Platform,
): Base[] {
  const bases = new Map<string, Base>();
  for (const { version, components } of releases) {
    const artifacts: readonly Artifact[] =
      components.find((each) => each.name === name && each.kind === kind)?.artifacts ?? [];
    const artifact =
      artifacts.find((each) => each.platform === platform) ??
      artifacts.find((each) => each.platform === 'any');
    if (artifact === undefined) continue;
    const digest = artifactDigest(artifact);
    if (!bases.has(digest)) bases.set(digest, { version, artifact });
  }
  return [...bases.values()];
}
