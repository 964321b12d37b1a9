/** `release diff A B`: what changed between two releases. Reads archives from here, else from mirrors. */
import { closeSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gateArchive, type ListingEntry, sameTree } from '@landfall/archive';
import { type Command, formatBytes } from '@landfall/cli';
import type { Artifact, Manifest } from '@landfall/manifest';
import { downloadArtifact, type Mirror, openMirrors, surveyMirrors } from '@landfall/mirrors';
import type { Settings } from '../config.ts';
import { compareListings, type FileChange, type Pair, pairsOf } from '../difference.ts';
import { ReleaseError } from '../errors.ts';
import { interruptible } from '../interrupt.ts';
import { knownManifests } from '../known.ts';
import { expectedOf, loadSettings } from '../load-config.ts';
import { isTree } from '../steps/gate.ts';
import { isWhole } from '../steps/obtain.ts';
import { versionOf } from '../version.ts';
import { channelPathOf, readSigned, signedChannels, versionFolder } from '../workspace.ts';
import { CHANNEL, channelOf, type ChannelChoice } from './common.ts';

interface ComponentDiff {
  component: string;
  platform: string;
  change: 'same' | 'added' | 'removed' | 'changed';
  /** Bytes of the artifact; null where it is not there. */
  from: number | null;
  to: number | null;
  files: FileChange[];
}

/** Where things are read from. */
interface Sources {
  settings: Settings;
  mirrors: readonly Mirror[];
  scratch: string;
  signal: AbortSignal;
}

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
    const scratch = mkdtempSync(join(tmpdir(), 'landfall-diff-'));
    try {
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
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
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

/** A version has one set of artifacts, whatever channel it was signed for. */
function signedForAnyChannel(settings: Settings, version: string): Manifest | undefined {
  const folder = versionFolder(settings, version);
  const [path] = signedChannels(folder);
  const channel = path ?? settings.channel;
  const channelPath = channelPathOf(settings, channel);
  return readSigned(folder, channelPath, expectedOf(settings, channel))?.verified.manifest;
}

async function diffPair(
  { component, platform, kind, from, to }: Pair,
  versions: { from: string; to: string },
  sources: Sources,
): Promise<ComponentDiff> {
  const sizes = { from: from?.size ?? null, to: to?.size ?? null };
  const shown = { component, platform, ...sizes };
  if (from === undefined || to === undefined) {
    return { ...shown, change: from === undefined ? 'added' : 'removed', files: [] };
  }
  if (sameContent(from, to)) return { ...shown, change: 'same', files: [] };
  const read = (version: string, artifact: Artifact): Promise<readonly ListingEntry[]> =>
    kind === 'tree' ? listingOf(version, artifact, sources) : Promise.resolve(single(artifact));
  const files = compareListings(await read(versions.from, from), await read(versions.to, to));
  return { ...shown, change: 'changed', files };
}

function sameContent(a: Artifact, b: Artifact): boolean {
  if (isTree(a) && isTree(b)) return sameTree(a.tree, b.tree);
  return !isTree(a) && !isTree(b) && a.contentSha256 === b.contentSha256 && a.mode === b.mode;
}

/** A component of kind `file` as a listing of one, from what was signed. */
function single(artifact: Artifact): ListingEntry[] {
  if (isTree(artifact)) return [];
  const { mode, contentSize: size, contentSha256: sha256 } = artifact;
  return [{ path: 'file', type: 'file', mode, size, sha256 }];
}

/** What an archive holds, read through the gate. Throws `ReleaseError` DAMAGED when it is not what was signed. */
async function listingOf(
  version: string,
  artifact: Artifact,
  { settings, mirrors, scratch, signal }: Sources,
): Promise<readonly ListingEntry[]> {
  const { file, size, sha256 } = artifact;
  const here = join(versionFolder(settings, version), file);
  if (await isWhole(here, artifact)) return checked(here, artifact, signal);
  const to = join(scratch, `${file}.unverified`);
  const { fd } = await downloadArtifact(mirrors, { version, file, size, sha256, to, signal });
  try {
    return await checked(fd, artifact, signal);
  } finally {
    closeSync(fd);
  }
}

async function checked(
  source: string | number,
  artifact: Artifact,
  signal: AbortSignal,
): Promise<readonly ListingEntry[]> {
  const { tree, listing } = await gateArchive(source, { name: artifact.file, signal });
  if (isTree(artifact) && sameTree(tree, artifact.tree)) return listing;
  throw new ReleaseError('DAMAGED', `'${artifact.file}' holds another tree than was signed`, {
    hint: "'release verify' shows which mirrors have it right",
  });
}

function describe(from: string, to: string, components: readonly ComponentDiff[]): string[] {
  const lines = components.flatMap((each) => {
    const of = each.platform === 'any' ? each.component : `${each.component} (${each.platform})`;
    const archive = `archive ${sizeChange(each.from, each.to)}`;
    const head = `${of}: ${each.change}, ${archive}`;
    return [head, ...each.files.map((file) => `  ${MARKS[file.change]} ${describeFile(file)}`)];
  });
  return [`${from} → ${to}`, ...lines];
}

const MARKS = { added: '+', removed: '-', changed: '~', mode: 'm' } as const;

function describeFile({ path, change, from, to }: FileChange): string {
  return change === 'mode' ? `${path}: permissions` : `${path}: ${sizeChange(from, to)}`;
}

function sizeChange(from: number | null, to: number | null): string {
  if (from === null || to === null) return formatBytes(to ?? from ?? 0);
  if (from === to) return formatBytes(to);
  const sign = to > from ? '+' : '−';
  return `${formatBytes(from)} → ${formatBytes(to)} (${sign}${formatBytes(Math.abs(to - from))})`;
}
