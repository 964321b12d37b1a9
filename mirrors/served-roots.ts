/**
 * The root documents that are known here, and which of them a mirror serves.
 * Nodes follow them one by one, so a mirror must have all, for good.
 */
import { basename } from 'node:path';
import { ExitCode, OtaError } from '@landfall/errors';
import { rootPath } from '@landfall/manifest';
import { TrustError } from '@landfall/trust';
import { MirrorError } from './errors.ts';
import type { Mirror, ReadOptions } from './mirror.ts';
import type { ReadIndexFile } from './signed-index.ts';
import { gatherFirstRoot, gatherNextRoot, type SignedRoot } from './signed-root.ts';
import { type RootEquivocation, walkRoot } from './walk-root.ts';

const DEADLINE_MS = 20_000;

/** Oldest first, each the next of the one before; and what ended the walk, if that was two of one version. */
export interface KnownRoots {
  documents: readonly [SignedRoot, ...SignedRoot[]];
  torn?: RootEquivocation;
}

/** What a mirror serves of the known documents, by version. */
export interface ServedRoots {
  /** Not there. */
  missing: number[];
  /** Something that nobody would believe stands in its place. */
  wrong: number[];
  /** Another document stands in its place, and is signed as well as ours. */
  other: number[];
}

/** `known` and what `mirrors` have beyond it. Never throws for what a mirror does. */
export async function followRoots(
  { documents }: KnownRoots,
  mirrors: readonly Mirror[],
  options: { signal?: AbortSignal } = {},
): Promise<KnownRoots> {
  const { steps, equivocation } = await walkRoot(mirrors, newestOf(documents).verified, options);
  return {
    documents: [...documents, ...steps],
    ...(equivocation === undefined ? {} : { torn: equivocation }),
  };
}

/** The last of the known documents. */
export function newestOf(documents: KnownRoots['documents']): SignedRoot {
  return documents.at(-1) ?? documents[0];
}

/** Throws `TrustError` EQUIVOCATION when two documents of one version are about. */
export function refuseTornRoots({ torn }: KnownRoots): void {
  if (torn === undefined) return;
  throw new TrustError('EQUIVOCATION', describeTorn(torn), {
    hint: 'root keys may be in wrong hands: copy and remove nothing before you know which is right',
  });
}

/** Two valid documents of one version, for people. */
export function describeTorn({ version, shown }: RootEquivocation): string {
  const each = shown.map(({ mirror, sha256 }) => `'${mirror.name}' (${sha256.slice(0, 12)}…)`);
  return `two different root documents have version ${version}: ${each.join(', ')}`;
}

/**
 * Reads the known documents from a mirror as a stranger, or only the newest
 * (`newestOnly`). Throws `MirrorError` when it cannot be asked.
 */
export async function checkRoots(
  mirror: Mirror,
  { documents }: KnownRoots,
  options: { newestOnly?: boolean } & Partial<Pick<ReadOptions, 'signal'>> = {},
): Promise<ServedRoots> {
  const { newestOnly = false, ...given } = options;
  const found: ServedRoots = { missing: [], wrong: [], other: [] };
  const read: ReadIndexFile = (path, maxBytes) =>
    mirror.readIndex(path, { deadlineMs: DEADLINE_MS, ...given, maxBytes });
  for (const [index, known] of documents.entries()) {
    if (newestOnly && index < documents.length - 1) continue;
    const { version } = known.verified.root;
    try {
      const served = await readOne(known, documents[index - 1], read);
      if (served === undefined) found.missing.push(version);
      else if (served.verified.sha256 !== known.verified.sha256) found.other.push(version);
    } catch (error) {
      if (!isWrong(error)) throw error;
      found.wrong.push(version);
    }
  }
  return found;
}

/** Refused by what it says, or no document at all: a page, something endless. A status tells of the server alone. */
function isWrong(error: unknown): boolean {
  if (!(error instanceof MirrorError)) {
    return error instanceof OtaError && error.exit === ExitCode.refused;
  }
  return error.code === 'TOO_LARGE' || (error.code === 'BAD_ANSWER' && error.status === undefined);
}

async function readOne(
  { verified }: SignedRoot,
  before: SignedRoot | undefined,
  read: ReadIndexFile,
): Promise<SignedRoot | undefined> {
  return before === undefined
    ? await gatherFirstRoot(rootPath(verified.root.version), verified.root.app, read)
    : await gatherNextRoot(before.verified, read);
}

function filesOf(versions: readonly number[]): string {
  return versions.map((each) => `'${basename(rootPath(each))}'`).join(', ');
}

/** What is wrong with what a mirror serves; undefined when it serves all. */
export function problemOfRoots(
  mirror: string,
  { missing, wrong, other }: ServedRoots,
): OtaError | undefined {
  if (other.length > 0) {
    const message = `mirror '${mirror}': serves another ${filesOf(other)} than is known here, signed as well`;
    return new TrustError('EQUIVOCATION', message, {
      hint: 'root keys may be in wrong hands: ask everyone who holds one',
    });
  }
  const lacking = [...missing, ...wrong].toSorted((a, b) => a - b);
  if (lacking.length === 0) return undefined;
  return new MirrorError(
    'NOT_FOUND',
    mirror,
    `does not serve ${filesOf(lacking)}: nodes that reach only it keep believing the keys before`,
    { hint: `complete it from the others: mirrors sync --to ${mirror}` },
  );
}
