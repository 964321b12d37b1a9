/**
 * Which stored releases nobody needs any more. Whatever could not be
 * understood protects: a mirror whose channels cannot all be listed, or that
 * has a manifest nobody can read, is not pruned at all. Never removed is a
 * version that the manifest of any channel on any mirror names (believed or
 * not: a stranger can make us keep a file, never remove one), the version
 * before it where it is known, and the newest ones.
 */
import { compareVersions, indexPath, isVersion, MAX_MANIFEST_BYTES } from '@landfall/manifest';
import { z } from 'zod';
import { findChannels, folderOf } from './channels.ts';
import type { MirrorConfig, Named } from './config.ts';
import { DirectoryMirror } from './directory.ts';
import { MirrorError } from './errors.ts';
import { fileOf } from './git.ts';
import { commitsOf } from './git-history.ts';
import { historyPath } from './layout.ts';
import type { Mirror, StoredRelease } from './mirror.ts';
import type { Believed } from './signed-index.ts';
import { readSignedIndex } from './signed-index.ts';

const DEADLINE_MS = 20_000;
/** So many earlier manifests are looked at. */
const MAX_STEPS = 100;

/** What is kept, by version, and why. */
export type Protected = ReadonlyMap<string, string>;

/** The little of a manifest that protects. */
const naming = z.looseObject({
  version: z.string().refine(isVersion),
  previous: z
    .looseObject({ sequence: z.int().min(1), sha256: z.string().regex(/^[0-9a-f]{64}$/) })
    .nullable(),
  sequence: z.number(),
  withdrawn: z.array(z.string()).default([]),
});
type Naming = z.infer<typeof naming>;

/** Where to look for versions, beside the channels that a mirror lists. */
export interface NamedOptions {
  /** A bare scratch repository, made when it is needed. */
  scratch: string;
  /** Channels that are known besides those that are found. */
  channels: readonly (string | undefined)[];
  signal?: AbortSignal;
}

/**
 * Versions that the mirror's manifests name, of every channel, as readers find them and as they
 * stand there, and those they had before where git or the mirror itself remembers them. Throws
 * `MirrorError` when one of them cannot be read: then nobody knows what may be removed.
 */
export async function versionsNamed(
  mirror: Mirror,
  config: Named<MirrorConfig>,
  options: NamedOptions,
): Promise<Map<string, string>> {
  const { scratch, signal } = options;
  const found = await findChannels(config, scratch, signal ? { signal } : {});
  const named = new Map<string, string>();
  const add = (version: string, why: string): void => {
    if (!named.has(version)) named.set(version, why);
  };
  const own = ownFolder(config);
  for (const channel of new Set([...options.channels, ...found.channels])) {
    const path = indexPath(channel);
    const copies = [{ at: mirror, bytes: await read(mirror, path, signal) }];
    if (own !== undefined) copies.push({ at: own, bytes: await read(own, path, signal) });
    if (found.head !== undefined) {
      copies.push({ at: mirror, bytes: await fileOf(scratch, found.head, path) });
    }
    if (found.channels.includes(channel) && copies.at(-1)?.bytes === undefined) {
      throw cannotTell(mirror, path);
    }
    for (const { at, bytes } of copies) {
      if (bytes === undefined) continue;
      const current = readNaming(mirror, path, bytes);
      add(current.version, `'${path}' names it`);
      const earlier =
        found.head === undefined
          ? keptNamings(at, path, current, signal)
          : namingsInGit(mirror, scratch, found.head, path);
      const before = await versionBefore(current, earlier);
      if (before !== undefined) add(before, `'${path}' named it before`);
    }
  }
  return named;
}

/** The folder itself, where readers go through an address: a cache in between may show an older index, or none of a channel. */
function ownFolder(config: Named<MirrorConfig>): Mirror | undefined {
  if (config.type === 'gitea' || config.url === undefined) return undefined;
  const path = folderOf(config);
  return path === undefined
    ? undefined
    : new DirectoryMirror({ type: 'directory', name: config.name, path });
}

async function read(
  mirror: Mirror,
  path: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  return mirror.readIndex(path, {
    maxBytes: MAX_MANIFEST_BYTES,
    deadlineMs: DEADLINE_MS,
    ...(signal === undefined ? {} : { signal }),
  });
}

/** The version to go back to: of the newest earlier manifest that names another one that was not withdrawn. */
async function versionBefore(
  { version, withdrawn, sequence }: Naming,
  earlier: AsyncIterable<Naming>,
): Promise<string | undefined> {
  for await (const each of earlier) {
    if (each.sequence >= sequence || each.version === version) continue;
    if (!withdrawn.includes(each.version)) return each.version;
  }
  return undefined;
}

/** What git remembers, newest first. */
async function* namingsInGit(
  { name }: Mirror,
  scratch: string,
  head: string,
  path: string,
): AsyncGenerator<Naming> {
  for (const commit of await commitsOf(scratch, head, path, name)) {
    const old = await fileOf(scratch, commit, path);
    const known = old === undefined ? undefined : parseNaming(old);
    if (known !== undefined) yield known;
  }
}

/** What a directory mirror kept, newest first. */
async function* keptNamings(
  mirror: Mirror,
  path: string,
  from: Naming,
  signal: AbortSignal | undefined,
): AsyncGenerator<Naming> {
  let { previous } = from;
  for (let steps = 0; previous !== null && steps < MAX_STEPS; steps += 1) {
    const bytes = await read(mirror, historyPath(path, previous), signal);
    const known = bytes === undefined ? undefined : parseNaming(bytes);
    if (known === undefined) return;
    yield known;
    ({ previous } = known);
  }
}

/** Throws `MirrorError` when the mirror's default index is not validly signed: a mirror that is not right is repaired first. */
export async function requireRight(
  mirror: Mirror,
  believed: Believed,
  signal?: AbortSignal,
): Promise<void> {
  const index = await readSignedIndex(mirror, undefined, believed, signal ? { signal } : {});
  if (index !== undefined) return;
  throw new MirrorError('NOT_FOUND', mirror.name, 'has no index: nothing tells what is old', {
    hint: `complete it first: mirrors sync --to ${mirror.name}`,
  });
}

/** What is kept of `stored`: what is named, and the `keep` newest versions. */
export function protect(
  stored: readonly StoredRelease[],
  named: Protected,
  keep: number,
): Map<string, string> {
  const kept = new Map<string, string>();
  const newest = stored
    .map(({ version }) => version)
    .toSorted((a, b) => compareVersions(b, a))
    .slice(0, keep);
  for (const { version } of stored) {
    const why = named.get(version) ?? (newest.includes(version) ? `one of the ${keep} newest` : '');
    if (why !== '') kept.set(version, why);
  }
  return kept;
}

function parseNaming(bytes: Uint8Array): Naming | undefined {
  try {
    return naming.safeParse(JSON.parse(Buffer.from(bytes).toString('utf8'))).data;
  } catch {
    return undefined;
  }
}

function readNaming(mirror: Mirror, path: string, bytes: Uint8Array): Naming {
  const found = parseNaming(bytes);
  if (found !== undefined) return found;
  throw cannotTell(mirror, path);
}

function cannotTell(mirror: Mirror, path: string): MirrorError {
  return new MirrorError('BAD_ANSWER', mirror.name, `cannot tell what '${path}' names`, {
    hint: 'nothing is removed from a mirror with a manifest that cannot be read; look at it first',
  });
}
