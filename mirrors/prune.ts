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
import { findChannels } from './channels.ts';
import type { MirrorConfig, Named } from './config.ts';
import { MirrorError } from './errors.ts';
import { commitsOf, fileOf } from './git-history.ts';
import type { Mirror, StoredRelease } from './mirror.ts';
import type { Believed } from './signed-index.ts';
import { readSignedIndex } from './signed-index.ts';

const DEADLINE_MS = 20_000;

/** What is kept, by version, and why. */
export type Protected = ReadonlyMap<string, string>;

/** The little of a manifest that protects. */
const naming = z.looseObject({
  version: z.string().refine(isVersion),
  previous: z.looseObject({ sequence: z.number(), sha256: z.string() }).nullable(),
  sequence: z.number(),
});

export interface NamedOptions {
  /** A bare scratch repository, made when it is needed. */
  scratch: string;
  /** Channels that are known besides those that are found. */
  channels: readonly (string | undefined)[];
  signal?: AbortSignal;
}

/**
 * Versions that the mirror's manifests name, of every channel, and those they
 * had before where git remembers them. Throws `MirrorError` when one of them
 * cannot be read: then nobody knows what may be removed.
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
  for (const channel of new Set([...options.channels, ...found.channels])) {
    const path = indexPath(channel);
    const bytes = await mirror.readIndex(path, {
      maxBytes: MAX_MANIFEST_BYTES,
      deadlineMs: DEADLINE_MS,
      ...(signal === undefined ? {} : { signal }),
    });
    if (bytes === undefined) continue;
    const { version, previous } = readNaming(mirror, path, bytes);
    add(version, `'${path}' names it`);
    if (found.head === undefined || previous === null) continue;
    // Git remembers; the newest commit whose manifest is of that sequence.
    for (const commit of await commitsOf(scratch, found.head, path)) {
      const old = await fileOf(scratch, commit, path);
      const before = old === undefined ? undefined : parseNaming(old);
      if (before?.sequence !== previous.sequence) continue;
      add(before.version, `'${path}' named it before`);
      break;
    }
  }
  return named;
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

function parseNaming(bytes: Uint8Array): z.infer<typeof naming> | undefined {
  try {
    return naming.safeParse(JSON.parse(Buffer.from(bytes).toString('utf8'))).data;
  } catch {
    return undefined;
  }
}

function readNaming(mirror: Mirror, path: string, bytes: Uint8Array): z.infer<typeof naming> {
  const found = parseNaming(bytes);
  if (found !== undefined) return found;
  throw new MirrorError('BAD_ANSWER', mirror.name, `cannot tell what '${path}' names`, {
    hint: 'nothing is removed from a mirror with a manifest that cannot be read; look at it first',
  });
}
