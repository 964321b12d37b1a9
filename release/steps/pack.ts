/**
 * Makes one artifact per component and platform in a folder. Each is written
 * under a temporary name, synced, and renamed; a crash leaves whole artifacts
 * and at most one `.part`, and no manifest names any of them yet.
 */
import { copyFileSync, existsSync, lstatSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  type FrameRange,
  gateArchive,
  packFile,
  packTree,
  planTree,
  type TreeInfo,
} from '@landfall/archive';
import { crashPoint } from '@landfall/cli';
import { renameDurably, syncFile } from '@landfall/durable';
import { artifactFileName, type Component } from '@landfall/manifest';
import type {
  ComponentConfig,
  FileComponentConfig,
  Settings,
  TreeComponentConfig,
} from '../config.ts';
import { ReleaseError } from '../errors.ts';
import { compressionOf, sha256File } from '../files.ts';
import { KeptBack } from '../kept-back.ts';

/** What was packed, for people. */
export interface Packed {
  component: string;
  platform: string;
  file: string;
  size: number;
  /** Undefined for a component of kind `file`. */
  tree: TreeInfo | undefined;
  /** What was normalised on the way: a root that was not 0755. */
  warnings: readonly string[];
}

/** Where artifacts go. `mtime`, in seconds since 1970, is what packed files are dated. */
export interface PackOptions {
  settings: Settings;
  version: string;
  /** Where artifacts go; it exists. */
  folder: string;
  mtime: number;
  signal: AbortSignal;
}

/** Packs one component. Throws what the archive package throws, and SOURCE_MISSING. */
export async function packComponent(
  config: ComponentConfig,
  options: PackOptions,
): Promise<{ component: Component; packed: Packed[] }> {
  return config.kind === 'tree' ? packTreeComponent(config, options) : packFiles(config, options);
}

async function packTreeComponent(
  config: TreeComponentConfig,
  options: PackOptions,
): Promise<{ component: Component; packed: Packed[] }> {
  const { platform } = config;
  const made =
    config.archive === undefined
      ? await packOwn(config, options)
      : await takeForeign(config, config.archive, options);
  const { file, size, sha256, frames, warnings } = made;
  const tree = { ...made.tree };
  return {
    component: {
      name: config.name,
      kind: 'tree',
      artifacts: [{ platform, file, size, sha256, tree, deltas: [], ...optional(frames) }],
    },
    packed: [{ component: config.name, platform, file, size, tree, warnings }],
  };
}

interface MadeTree {
  file: string;
  size: number;
  sha256: string;
  frames?: FrameRange[];
  tree: TreeInfo;
  warnings: readonly string[];
}

async function packOwn(config: TreeComponentConfig, options: PackOptions): Promise<MadeTree> {
  const parts = [{ from: config.from ?? '', at: '' }, ...config.extra].map((part) => ({
    from: sourcePath(config.name, part.from, options.settings.directory),
    at: part.at,
  }));
  const keptBack = new KeptBack(options.settings);
  const plan = planTree({
    parts,
    exclude: config.exclude,
    refuse: (source, stats) => keptBack.why(source, stats),
  });
  const file = artifactFileName({
    component: config.name,
    kind: 'tree',
    version: options.version,
    platform: config.platform,
    compression: config.compression,
  });
  const made = await write(options, file, (path) =>
    packTree(plan, path, { ...compressor(config, options), mtime: options.mtime }),
  );
  return { file, ...made, warnings: plan.warnings };
}

/** An archive that something else made: it is shipped with its own bytes or refused by the gate. */
async function takeForeign(
  config: TreeComponentConfig,
  archive: string,
  options: PackOptions,
): Promise<MadeTree> {
  const source = sourcePath(config.name, archive, options.settings.directory);
  // Gated where it stands, so that a refusal names the file that its maker knows.
  const { tree, listing } = await gateArchive(source, { name: archive, signal: options.signal });
  const keptBack = new KeptBack(options.settings);
  const held = listing.flatMap((entry) => {
    const reason = keptBack.whyListed(entry);
    return reason === undefined ? [] : [`'${entry.path}' ${reason}`];
  });
  if (held.length > 0)
    throw mustStay(
      config.name,
      `'${archive}' holds what must stay here: ${held.join('; ')}`,
      'make the archive without it',
    );
  const compression = compressionOf(source);
  if (compression === 'none') {
    throw new ReleaseError(
      'SOURCE_MISSING',
      `component '${config.name}': expected '${archive}' compressed with gzip or zstd, found neither`,
      { hint: "compress it, or give the folder as 'from' and let it be packed here" },
    );
  }
  const file = artifactFileName({
    component: config.name,
    kind: 'tree',
    version: options.version,
    platform: config.platform,
    compression,
  });
  const made = await write(options, file, async (path) => {
    copyFileSync(source, path);
    return sha256File(path);
  });
  return { file, ...made, tree, warnings: [] };
}

async function packFiles(
  config: FileComponentConfig,
  options: PackOptions,
): Promise<{ component: Component; packed: Packed[] }> {
  const component: Component = { name: config.name, kind: 'file', artifacts: [] };
  const packed: Packed[] = [];
  const keptBack = new KeptBack(options.settings);
  for (const [platform, from] of Object.entries(config.platforms)) {
    const source = sourcePath(config.name, from, options.settings.directory);
    const reason = keptBack.why(source, lstatSync(source));
    if (reason !== undefined)
      throw mustStay(config.name, `'${from}' ${reason}`, 'name the program that nodes are to get');
    const file = artifactFileName({
      component: config.name,
      kind: 'file',
      version: options.version,
      platform,
      compression: config.compression,
    });
    const made = await write(options, file, (path) =>
      packFile(source, path, compressor(config, options)),
    );
    const { size, sha256, frames, contentSha256, contentSize } = made;
    component.artifacts.push({
      platform,
      file,
      size,
      sha256,
      mode: config.mode,
      contentSha256,
      contentSize,
      deltas: [],
      ...optional(frames),
    });
    packed.push({ component: config.name, platform, file, size, tree: undefined, warnings: [] });
  }
  return { component, packed };
}

/** The field for a manifest, which has none where a file is one range. */
function optional(frames: FrameRange[] | undefined): {
  frames?: { size: number; sha256: string }[];
} {
  return frames === undefined ? {} : { frames: frames.map((each) => ({ ...each })) };
}

function compressor(
  config: ComponentConfig,
  options: PackOptions,
): { compression: 'zstd' | 'gzip'; level?: number; signal: AbortSignal } {
  return {
    compression: config.compression,
    signal: options.signal,
    ...(config.level === undefined ? {} : { level: config.level }),
  };
}

/** Writes through a temporary name, so that an artifact's name stands only for all of it. */
async function write<T>(
  options: PackOptions,
  file: string,
  make: (path: string) => Promise<T>,
): Promise<T> {
  const path = join(options.folder, file);
  const part = `${path}.part`;
  rmSync(part, { force: true });
  const made = await make(part);
  syncFile(part);
  renameDurably(part, path);
  crashPoint('ship-artifact-packed');
  return made;
}

function mustStay(component: string, what: string, hint: string): ReleaseError {
  return new ReleaseError('KEPT_BACK', `component '${component}': ${what}`, { hint });
}

/** The absolute path of a source that is there. */
function sourcePath(component: string, from: string, directory: string): string {
  const path = resolve(directory, from);
  if (existsSync(path) || lstatSync(path, { throwIfNoEntry: false }) !== undefined) return path;
  throw new ReleaseError(
    'SOURCE_MISSING',
    `component '${component}': expected something to pack at '${from}', found nothing`,
    { hint: "build it first: put the command that makes it into the component's 'before'" },
  );
}
