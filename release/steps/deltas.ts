/**
 * Makes deltas to the artifacts that were just built, from what earlier releases
 * had. Each is tried at once: applied to its base, it has to lead to the very
 * content that will be signed. A delta only saves nodes a download, so whatever
 * goes wrong leaves it out, with a line that says why.
 *
 * Work goes on in a folder beside the artifacts, which is removed; a crash
 * leaves it to the next build, and no manifest names any of it yet.
 */
import { closeSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { crashPoint, formatBytes } from '@landfall/cli';
import { renameDurably, syncFile } from '@landfall/durable';
import { applyDelta, makeDelta, type Tree } from '@landfall/delta';
import { messageOf, OtaError, systemCode } from '@landfall/errors';
import {
  type Artifact,
  artifactDigest,
  artifactFiles,
  type Component,
  type Delta,
  DELTA_FORMAT,
  deltaFileName,
  isTree,
} from '@landfall/manifest';
import { type Base, basesOf, earlierReleases } from '../bases.ts';
import type { Search } from '../known.ts';
import { sameContent, type Sources, withArtifact } from '../listings.ts';
import { type Build, need } from '../shipment.ts';
import type { Show } from '../show.ts';
import { unpackTo } from '../unpacked.ts';

/** A delta that is larger than this part of the artifact is not worth its place on the mirrors. */
const LARGEST_PART = 0.75;

/**
 * Adds deltas to the artifacts of `build.components`, from releases that
 * `search` finds. Throws the abort reason, and faults of ours.
 */
export async function makeDeltas(
  build: Build,
  search: () => Promise<Search>,
  show: Show,
): Promise<void> {
  const components = structuredClone([...need(build.components, 'components')]);
  const scratch = join(build.folder, '.deltas');
  try {
    const { releases, mirrors } = await earlierReleases(await search(), build.version);
    if (releases.length === 0) return show.outcome('no earlier release is known');
    const { settings, signal } = build;
    const sources = { settings, mirrors, scratch, signal };
    for (const component of components) {
      for (const artifact of component.artifacts) {
        // A node keeps what is the same in both.
        const bases = basesOf(releases, component, artifact.platform).filter(
          (base) => !sameContent(base.artifact, artifact),
        );
        artifact.deltas = await deltasTo({ component, artifact, bases }, build, sources, show);
      }
    }
  } catch (error) {
    return show.outcome(`none: ${reasonOf(error, build.signal)}`);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  build.components = components;
  const made = artifactFiles({ components }).filter(({ artifact }) => artifact === undefined);
  const bytes = made.reduce((sum, { size }) => sum + size, 0);
  show.outcome(made.length === 0 ? 'none' : `${made.length}, ${formatBytes(bytes)}`);
}

interface Wanted {
  readonly component: Component;
  readonly artifact: Artifact;
  readonly bases: readonly Base[];
}

/** The deltas to one artifact, from all of its bases that can be had. */
async function deltasTo(
  { component: { name }, artifact, bases }: Wanted,
  build: Build,
  sources: Sources,
  show: Show,
): Promise<Delta[]> {
  const { folder, version, signal } = build;
  const { scratch } = sources;
  const { platform } = artifact;
  const made: Delta[] = [];
  let to: Tree | undefined;
  for (const base of bases) {
    show.live(name, `delta from ${base.version}`);
    const file = deltaFileName({ component: name, version, from: base.version, platform });
    const without = `${name}: no delta from ${base.version}`;
    if (file === undefined) {
      show.line(`${without}: its name would be too long`);
      continue;
    }
    try {
      to ??= await unpackFirst(join(folder, artifact.file), artifact, scratch, signal);
      const delta = await deltaFrom(base, { artifact, to, path: join(folder, file) }, sources);
      if (delta !== undefined) made.push(entryOf(file, base, delta));
      show.line(
        delta === undefined
          ? `${without}: it would save too little`
          : `${file}: ${formatBytes(delta.size)}, ${percent(delta.size, artifact.size)} of ${artifact.file}`,
      );
    } catch (error) {
      show.line(`${without}: ${reasonOf(error, signal)}`);
    }
  }
  return made;
}

async function unpackFirst(
  path: string,
  artifact: Artifact,
  scratch: string,
  signal: AbortSignal,
): Promise<Tree> {
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch);
  return unpackTo(join(scratch, 'to'), path, artifact, signal);
}

interface Goal {
  readonly artifact: Artifact;
  readonly to: Tree;
  /** Where the delta goes. */
  readonly path: string;
}

/** Makes and tries one delta; undefined when it is not worth it. */
async function deltaFrom(
  base: Base,
  { artifact, to, path }: Goal,
  sources: Sources,
): Promise<{ size: number; sha256: string } | undefined> {
  const { scratch, signal } = sources;
  const [root, result, part] = [
    join(scratch, 'from'),
    join(scratch, 'result'),
    join(scratch, 'delta'),
  ];
  try {
    const from = await withArtifact(base.version, base.artifact, sources, (source) =>
      unpackTo(root, source, base.artifact, signal),
    );
    const bound = Math.floor(artifact.size * LARGEST_PART);
    const made = await makeDelta({ from, to, outPath: part, bound, signal });
    if (made === undefined) return undefined;
    await tryDelta(part, from, { artifact, into: result, signal });
    syncFile(part);
    renameDurably(part, path);
    crashPoint('ship-delta-made');
    return made;
  } finally {
    for (const each of [root, result, part]) rmSync(each, { recursive: true, force: true });
  }
}

/** Applies the delta at `path` as a node will. Throws `DeltaError` when it does not lead to what `artifact` holds. */
async function tryDelta(
  path: string,
  base: Tree,
  { artifact, into, signal }: { artifact: Artifact; into: string; signal: AbortSignal },
): Promise<void> {
  const isFolder = isTree(artifact);
  if (isFolder) mkdirSync(into);
  const fd = openSync(path, 'r');
  try {
    const expect = isFolder ? artifact.tree : artifact;
    await applyDelta(fd, { base, expect, into, signal });
  } finally {
    closeSync(fd);
  }
}

function entryOf(
  file: string,
  { version, artifact }: Base,
  made: { size: number; sha256: string },
): Delta {
  return {
    from: { version, digest: artifactDigest(artifact) },
    file,
    ...made,
    format: DELTA_FORMAT,
  };
}

/** What is told of an expected failure. Throws the abort reason, and faults of ours. */
function reasonOf(error: unknown, signal: AbortSignal): string {
  signal.throwIfAborted();
  if (error instanceof OtaError || systemCode(error) !== undefined) return messageOf(error);
  throw error;
}

function percent(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(part * 10 < whole ? 1 : 0)} %`;
}
