/** `release diff A B`: what changed between two releases. Reads archives from here, else from mirrors. */
import { type Command, formatBytes, interruptible } from '@landfall/cli';
import { type Artifact, artifactDigest, deltasOf, type Manifest } from '@landfall/manifest';
import { openMirrors, surveyMirrors, withScratchFolder } from '@landfall/mirrors';
import type { Settings } from '../config.ts';
import {
  compareListings,
  describeChange,
  type FileChange,
  type Pair,
  pairsOf,
  sizeChange,
} from '../difference.ts';
import { ReleaseError } from '../errors.ts';
import { knownManifests } from '../known.ts';
import { listingOf, sameContent, type Sources } from '../listings.ts';
import { expectedOf, loadSettings } from '../load-config.ts';
import { versionOf } from '../version.ts';
import {
  channelPathOf,
  readOutdated,
  readSigned,
  signedChannels,
  versionFolder,
} from '../workspace.ts';
import { CHANNEL, channelOf, type ChannelChoice } from './common.ts';

interface ComponentDiff {
  component: string;
  platform: string;
  change: 'same' | 'added' | 'removed' | 'changed';
  /** Bytes of the artifact; null where it is not there. */
  from: number | null;
  to: number | null;
  /** Bytes of the delta from A to B, where the release has one. */
  delta: number | null;
  files: FileChange[];
}

/** `release diff A B`: which files changed between two versions, and their sizes in bytes. */
export const diffCommand: Command = {
  name: 'diff',
  args: 'A B',
  arity: [2, 2],
  summary: 'show which files changed between two versions, and their sizes',
  options: { channel: CHANNEL },
  details: [
    'Manifests and archives are taken from .release, and else from mirrors, verified. A mirror that has',
    'gone on knows the manifest of its current release only. Nothing is changed.',
  ],
  async run(context) {
    const settings = await loadSettings(context.text('config'));
    const channel = channelOf(context, settings);
    const [from = '', to = ''] = context.positionals.map((each) =>
      versionOf(each, settings.directory),
    );
    return withScratchFolder('diff', async (scratch) => {
      const components = await interruptible(async (signal) => {
        const mirrors = openMirrors(settings.mirrors, { directory: settings.directory });
        const sources = { settings, mirrors, scratch, signal };
        const find = await finderOf(sources, channel);
        const [a, b] = [find(from), find(to)];
        const found: ComponentDiff[] = [];
        for (const pair of pairsOf(a, b)) found.push(await diffPair(pair, { from, to }, sources));
        return found;
      });
      context.result({ from, to, components }, describe(from, to, components));
    });
  },
};

/** Finds the signed manifest of a version. What it returns throws `ReleaseError` NOT_PUBLISHED. */
async function finderOf(
  sources: Sources,
  channel: ChannelChoice,
): Promise<(version: string) => Manifest> {
  const { settings, mirrors, signal } = sources;
  const { expected, channelPath } = channel;
  const survey = await surveyMirrors(mirrors, {
    app: settings.app,
    channel: channelPath,
    policy: expected.policy,
    signal,
  });
  const known = await knownManifests({ ...sources, ...channel, survey, mirrors: [] });
  return (version) => {
    const found = known.find(({ manifest }) => manifest.version === version)?.manifest;
    const manifest = found ?? signedForAnyChannel(settings, version);
    if (manifest !== undefined) return manifest;
    throw new ReleaseError(
      'NOT_PUBLISHED',
      `release ${version} is not known: expected it in '.release/${version}' or on a mirror of channel '${channel.channel}'`,
      { hint: "run it where it was shipped from; 'release status' shows what is known" },
    );
  };
}

/** A version has one set of artifacts, whatever channel it was signed for, and whatever became of the keys since. */
function signedForAnyChannel(settings: Settings, version: string): Manifest | undefined {
  const folder = versionFolder(settings, version);
  const [path] = signedChannels(folder);
  const channel = path ?? settings.channel;
  const channelPath = channelPathOf(settings, channel);
  try {
    const expected = expectedOf(settings, channel);
    return readSigned(folder, channelPath, expected)?.verified.manifest;
  } catch (error) {
    const { app } = settings;
    const outdated = readOutdated(settings, folder, channelPath, { app, channel });
    if (outdated === undefined) throw error;
    return outdated.verified.manifest;
  }
}

async function diffPair(
  { component, platform, from, to }: Pair,
  versions: { from: string; to: string },
  sources: Sources,
): Promise<ComponentDiff> {
  const sizes = {
    from: from?.size ?? null,
    to: to?.size ?? null,
    delta: deltaBetween(from, to),
  };
  const shown = { component, platform, ...sizes };
  if (from === undefined || to === undefined) {
    return { ...shown, change: from === undefined ? 'added' : 'removed', files: [] };
  }
  if (sameContent(from, to)) return { ...shown, change: 'same', files: [] };
  const files = compareListings(
    await listingOf(versions.from, from, sources),
    await listingOf(versions.to, to, sources),
  );
  return { ...shown, change: 'changed', files };
}

function deltaBetween(from: Artifact | undefined, to: Artifact | undefined): number | null {
  if (from === undefined || to === undefined) return null;
  const digest = artifactDigest(from);
  return deltasOf(to).find((each) => each.from.digest === digest)?.size ?? null;
}

function describe(from: string, to: string, components: readonly ComponentDiff[]): string[] {
  const lines = components.flatMap((each) => {
    const of = each.platform === 'any' ? each.component : `${each.component} (${each.platform})`;
    const delta = each.delta === null ? '' : `, delta ${formatBytes(each.delta)}`;
    const archive = `archive ${sizeChange(each.from, each.to)}${delta}`;
    const head = `${of}: ${each.change}, ${archive}`;
    return [head, ...each.files.map((file) => `  ${describeChange(file)}`)];
  });
  return [`${from} → ${to}`, ...lines];
}
