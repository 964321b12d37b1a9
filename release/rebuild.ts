/**
 * Builds a release again from its commit, in a clean checkout, and compares
 * what comes out with what was signed. Works in a folder of its own, which the
 * caller removes; uploads nothing, signs nothing.
 */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { basename, isAbsolute, join } from 'node:path';
import { extractFile, gateArchive, type ListingEntry } from '@landfall/archive';
import { type Artifact, artifactFiles, isTree, type Manifest } from '@landfall/manifest';
import { readSignedBytes } from '@landfall/mirrors';
import { gate, pack, runCommands } from './build.ts';
import { checkOut } from './checkout.ts';
import type { Settings } from './config.ts';
import {
  compareListings,
  describeChange,
  type FileChange,
  type Pair,
  pairsOf,
} from './difference.ts';
import { ReleaseError } from './errors.ts';
import { firstDifference } from './files.ts';
import { listingOf, sameContent, type Sources, withArtifact } from './listings.ts';
import { loadSettings } from './load-config.ts';
import { configDigestOf, type Provenance } from './provenance.ts';
import { type Build, need } from './shipment.ts';
import { runSteps, type ShowMode } from './show.ts';
import { sourceOf } from './steps/source.ts';
import { contentOf } from './unpacked.ts';

/** How one artifact came out. */
export interface Rebuilt {
  component: string;
  platform: string;
  file: string;
  /**
   * `identical`: bytes, content and mode are those that were signed. `contradiction`: the bytes
   * are, and the manifest says of them what is not so. `packing`: another archive of the same
   * content. `not built`: the commit makes no such artifact. `not signed`: the commit makes it,
   * the release has none.
   */
  verdict: 'identical' | 'contradiction' | 'content' | 'packing' | 'not built' | 'not signed';
  /** SHA-256 in hex; null where there is none. */
  signed: string | null;
  built: string | null;
  /** What differs in a tree. */
  files: FileChange[];
  /** Where a single file begins to differ, counted from 0. */
  firstDifference?: number;
}

/** How the release came out again. `identical`: every artifact did; deltas are not made again. */
export interface Rebuild {
  commit: string;
  identical: boolean;
  artifacts: Rebuilt[];
  /** What may explain a difference. */
  notes: string[];
}

/**
 * Builds and compares. `provenance` is verified; without one the commit's own
 * time is what files are dated. Throws `ReleaseError` SOURCE_MISSING, and what
 * building throws.
 */
export async function rebuild(
  manifest: Manifest,
  provenance: Provenance | undefined,
  sources: Sources,
  mode: ShowMode,
): Promise<Rebuild> {
  const { settings, scratch, signal } = sources;
  const { commit, version } = manifest;
  if (commit === '') {
    throw new ReleaseError(
      'SOURCE_MISSING',
      `release ${version} cannot be built again: expected a commit in its manifest, found none`,
      { hint: 'it was built outside of a git checkout: ship from one' },
    );
  }
  const directory = await checkOut(settings.directory, commit, join(scratch, 'source'));
  const clean = await settingsIn(directory, settings, commit);
  const epoch = provenance?.predicate.buildDefinition.externalParameters.sourceDateEpoch;
  const environment = epoch === undefined ? {} : { SOURCE_DATE_EPOCH: String(epoch) };
  const source = await sourceOf(directory, { requireClean: false, environment });
  const folder = join(scratch, 'built');
  const build: Build = { settings: clean, version, folder, signal, source };
  await runSteps([runCommands, pack, gate], build, mode);
  const components = [...need(build.components, 'components')];
  const artifacts: Rebuilt[] = [];
  for (const pair of pairsOf(manifest, { ...manifest, components })) {
    artifacts.push(await compare(pair, version, folder, sources));
  }
  const identical = artifacts.every(({ verdict }) => verdict === 'identical');
  const notes = [
    ...(identical ? [] : notesOn(clean, provenance)),
    ...(hasDeltas(manifest) ? ['deltas are left out: they are not made again'] : []),
  ];
  return { commit, identical, artifacts, notes };
}

function hasDeltas(manifest: Manifest): boolean {
  return artifactFiles(manifest).some(({ artifact }) => artifact === undefined);
}

async function settingsIn(directory: string, own: Settings, commit: string): Promise<Settings> {
  const name = basename(own.file);
  try {
    return await loadSettings(join(directory, name));
  } catch (error) {
    if (!(error instanceof ReleaseError) || error.code !== 'CONFIG_MISSING') throw error;
    throw new ReleaseError(
      'SOURCE_MISSING',
      `'${name}' is not in commit ${commit.slice(0, 12)}: expected the configuration that the release was built with`,
      { cause: error, hint: 'commit it: without it nobody can build the release again' },
    );
  }
}

async function compare(
  { component, platform, from: signed, to: built }: Pair,
  version: string,
  folder: string,
  sources: Sources,
): Promise<Rebuilt> {
  const shown = {
    component,
    platform,
    file: signed?.file ?? built?.file ?? '',
    signed: signed?.sha256 ?? null,
    built: built?.sha256 ?? null,
    files: [],
  };
  if (built === undefined) return { ...shown, verdict: 'not built' };
  if (signed === undefined) return { ...shown, verdict: 'not signed' };
  const path = join(folder, built.file);
  if (signed.sha256 === built.sha256) {
    const isSame = sameContent(signed, built) && (await holdsSigned(path, signed));
    return { ...shown, verdict: isSame ? 'identical' : 'contradiction' };
  }
  if (sameContent(signed, built)) return { ...shown, verdict: 'packing' };
  if (isTree(signed) || isTree(built)) {
    const before = await listingOf(version, signed, sources);
    const files = compareListings(before, await builtListing(path, built, sources.signal));
    return { ...shown, verdict: 'content', files };
  }
  const at = await withArtifact(version, signed, sources, async (source) => {
    const [one, other] = [join(folder, '.signed'), join(folder, '.built')];
    await extractFile(source, one, contentOf(signed, sources.signal));
    await extractFile(path, other, contentOf(built, sources.signal));
    return firstDifference(one, other);
  });
  return { ...shown, verdict: 'content', ...(at === undefined ? {} : { firstDifference: at }) };
}

/** Whether what was built is all that was signed of the bytes, also of their ranges, which nodes go by. */
async function holdsSigned(path: string, signed: Artifact): Promise<boolean> {
  const fd = openSync(path, 'r');
  try {
    return (await readSignedBytes(fd, { ...signed, artifact: signed })).isRight === true;
  } finally {
    closeSync(fd);
  }
}

async function builtListing(
  path: string,
  artifact: Artifact,
  signal: AbortSignal,
): Promise<readonly ListingEntry[]> {
  return (await gateArchive(path, { name: artifact.file, signal })).listing;
}

/** What is known to differ between the two builds besides their bytes. */
function notesOn(clean: Settings, provenance: Provenance | undefined): string[] {
  const outside = clean.components.flatMap((each) => {
    const paths = each.kind === 'tree' ? [each.from, each.archive] : Object.values(each.platforms);
    return paths.filter((path) => path !== undefined && isAbsolute(path));
  });
  const notes = outside.map((path) => `'${path}' is taken from outside of the checkout`);
  if (provenance === undefined) return [...notes, 'nothing is told about how it was built'];
  const config = createHash('sha256').update(readFileSync(clean.file)).digest('hex');
  if (configDigestOf(provenance) !== config) {
    notes.push(`'${basename(clean.file)}' of the commit is not the one it was built with`);
  }
  const node = provenance.predicate.runDetails.builder.version['node'];
  if (node !== process.versions.node) {
    notes.push(`it was built under Node ${node}, and now under ${process.versions.node}`);
  }
  return notes;
}

/** For people. */
export function describeRebuild({ commit, identical, artifacts, notes }: Rebuild): string[] {
  const total = artifacts.length;
  const same = artifacts.filter(({ verdict }) => verdict === 'identical').length;
  return [
    `built again from commit ${commit.slice(0, 12)}: ${identical ? `all ${total} artifacts are identical` : `${same} of ${total} artifacts are identical`}`,
    ...artifacts.flatMap(describeOne),
    ...notes.map((note) => `note: ${note}`),
  ];
}

const MOST_LINES = 20;

function describeOne(one: Rebuilt): string[] {
  const { file, verdict, files, signed, built } = one;
  const digests = `expected sha256 ${signed?.slice(0, 12)}…, found ${built?.slice(0, 12)}…`;
  switch (verdict) {
    case 'identical':
      return [];
    case 'not built':
      return [`${file}: signed, and the commit does not make it`];
    case 'not signed':
      return [`${file}: the commit makes it, and the release has none`];
    case 'contradiction':
      return [
        `${file}: alarm: the bytes are those of its sha256, and the manifest contradicts itself: its frames, content or mode are of something else, and nodes go by those`,
      ];
    case 'packing':
      return [`${file}: the same content, packed to other bytes: ${digests}`];
    case 'content':
      return [`${file}: other content${whereOf(one)}: ${digests}`, ...linesOf(files)];
    default:
      return verdict;
  }
}

function whereOf({ firstDifference: at }: Rebuilt): string {
  return at === undefined ? '' : `, from byte ${at} on`;
}

function linesOf(files: readonly FileChange[]): string[] {
  const shown = files.slice(0, MOST_LINES).map((each) => `  ${describeChange(each)}`);
  return files.length > MOST_LINES ? [...shown, `  and ${files.length - MOST_LINES} more`] : shown;
}
