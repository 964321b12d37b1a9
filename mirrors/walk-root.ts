/**
 * From the root document that is known to the newest, one version at a time.
 * Any mirror may supply a step; one that has none, or shows something that
 * cannot be believed, only misses its turn. Two valid documents of one version
 * end the walk before it: nobody may choose between them.
 *
 * Keeps nothing; whoever walks keeps what is returned.
 */
import { OtaError } from '@landfall/errors';
import { rootPath } from '@landfall/manifest';
import type { VerifiedRoot } from '@landfall/trust';
import { MirrorError } from './errors.ts';
import type { Mirror } from './mirror.ts';
import { gatherNextRoot, type SignedRoot } from './signed-root.ts';

/** So many steps are taken at most in one walk. */
const MAX_STEPS = 100;
/** For one file of one mirror. */
const READ_DEADLINE_MS = 15_000;
/** For one step; a mirror that has not answered by then is not asked again in this walk. */
const STEP_DEADLINE_MS = 20_000;
/** After that the walk ends where it is. */
const WALK_DEADLINE_MS = 120_000;

/** A mirror that could not be asked, or showed what cannot be believed as the next step. */
export interface RootProblem {
  mirror: Mirror;
  error: OtaError;
}

/** Two valid documents of one version. */
export interface RootEquivocation {
  version: number;
  shown: { mirror: Mirror; sha256: string }[];
}

/** How far a walk came, and what was in its way. An equivocation ends it at the version before. */
export interface RootWalk {
  /** The newest version that was reached. */
  newest: VerifiedRoot;
  /** The steps that led there, oldest first; none when `newest` was known. */
  steps: SignedRoot[];
  problems: RootProblem[];
  equivocation?: RootEquivocation;
}

/**
 * Walks on from `known`. With the document `before` it, mirrors are asked for that
 * version as well: whoever holds root keys may show some nodes another one. Never
 * throws for what a mirror does; throws the abort reason of `signal`.
 */
export async function walkRoot(
  mirrors: readonly Mirror[],
  known: VerifiedRoot,
  options: { signal?: AbortSignal | undefined; before?: VerifiedRoot | undefined } = {},
): Promise<RootWalk> {
  const walk: RootWalk = { newest: known, steps: [], problems: [] };
  const torn = await findTwins(mirrors, known, options);
  if (torn !== undefined) return { ...walk, equivocation: torn };
  const until = performance.now() + WALK_DEADLINE_MS;
  let asked = [...mirrors];
  while (walk.steps.length < MAX_STEPS && performance.now() < until) {
    const answers = await Promise.all(
      asked.map((mirror) => askOne(mirror, walk.newest, options.signal)),
    );
    options.signal?.throwIfAborted();
    const problems = answers.flatMap(({ mirror, error }) => (error ? [{ mirror, error }] : []));
    walk.problems.push(...problems);
    asked = asked.filter((mirror) => problems.every((each) => each.mirror !== mirror));
    const shown = answers.flatMap(({ mirror, found }) => (found ? [{ mirror, found }] : []));
    const [first] = shown;
    if (first === undefined) break;
    const { sha256, root } = first.found.verified;
    if (shown.some(({ found }) => found.verified.sha256 !== sha256)) {
      const each = shown.map(({ mirror, found }) => ({ mirror, sha256: found.verified.sha256 }));
      walk.equivocation = { version: root.version, shown: each };
      break;
    }
    walk.steps.push(merge(shown.map(({ found }) => found)));
    walk.newest = first.found.verified;
  }
  return walk;
}

/** Other documents of the version of `known`, as well signed. A mirror that has none, or rubbish, is asked for what follows all the same. */
async function findTwins(
  mirrors: readonly Mirror[],
  known: VerifiedRoot,
  { signal, before }: { signal?: AbortSignal | undefined; before?: VerifiedRoot | undefined },
): Promise<RootEquivocation | undefined> {
  if (before === undefined) return undefined;
  const answers = await Promise.all(mirrors.map((mirror) => askOne(mirror, before, signal)));
  signal?.throwIfAborted();
  const shown = answers.flatMap(({ mirror, found }) =>
    found === undefined ? [] : [{ mirror, sha256: found.verified.sha256 }],
  );
  const isTorn = shown.some(({ sha256 }) => sha256 !== known.sha256);
  return isTorn ? { version: known.root.version, shown } : undefined;
}

interface Answer {
  mirror: Mirror;
  found?: SignedRoot | undefined;
  error?: OtaError;
}

async function askOne(
  mirror: Mirror,
  current: VerifiedRoot,
  outer: AbortSignal | undefined,
): Promise<Answer> {
  const late = AbortSignal.timeout(STEP_DEADLINE_MS);
  const signal = outer === undefined ? late : AbortSignal.any([outer, late]);
  const bounds = { deadlineMs: READ_DEADLINE_MS, signal };
  try {
    const found = await gatherNextRoot(current, (path, maxBytes) =>
      mirror.readIndex(path, { ...bounds, maxBytes }),
    );
    return { mirror, found };
  } catch (error) {
    if (error instanceof OtaError) return { mirror, error };
    outer?.throwIfAborted();
    if (!late.aborted) throw error;
    const what = `did not tell '${rootPath(current.root.version + 1)}' in time`;
    return { mirror, error: new MirrorError('TIMEOUT', mirror.name, what, { cause: error }) };
  }
}

/** One document with the signatures that any mirror had. */
function merge(found: readonly SignedRoot[]): SignedRoot {
  const [first, ...others] = found;
  if (first === undefined) throw new Error('nothing to merge');
  const documents = rootPath(first.verified.root.version);
  const files = new Map<string, Uint8Array>();
  for (const each of [first, ...others]) {
    for (const [path, bytes] of each.files) if (!files.has(path)) files.set(path, bytes);
  }
  files.delete(documents);
  return { verified: first.verified, files: files.set(documents, first.verified.bytes) };
}
