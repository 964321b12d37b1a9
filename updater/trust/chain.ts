/**
 * Whom this node believes: the root document that an operator pinned, and the
 * steps from it that the node has taken. All of it is verified again at each
 * start; what cannot be believed any more is asked for again. Changes nothing:
 * see `keep.ts`.
 */
import { ExitCode, type OtaError } from '@landfall/errors';
import {
  type Mirror,
  readKeptRoots,
  type SignedRoot,
  walkRoot,
  withoutName,
} from '@landfall/mirrors';
import {
  checkRootExpiry,
  policyFor,
  readTime,
  TrustError,
  type VerifiedRoot,
} from '@landfall/trust';
import { stopIfTold, type Host } from '../host.ts';
import type { MirrorProblem } from '../mirrors.ts';
import type { Decline } from '../offer.ts';
import { readRootFile, type RootFile } from '../records/root-file.ts';
import { readPinnedRoot } from './pin.ts';

/** A node asks for the next root document at least so often. */
const ASK_EVERY_MS = 86_400_000;

/** What is wrong with what a mirror showed of the chain. */
interface RootShown extends MirrorProblem {
  /** It could be read, and cannot be believed. */
  isLie: boolean;
}

/** What the node knows of the chain, and what a walk added to it. */
export interface TrustLook {
  pin: SignedRoot;
  /** From the pin to the newest. */
  chain: VerifiedRoot[];
  newest: VerifiedRoot;
  /** Steps that are not on this disk yet, oldest first. */
  fresh: SignedRoot[];
  /** What was written down when it was last asked; undefined for a new node, or another pin. */
  known: RootFile | undefined;
  /** Whether the mirrors were asked just now, and any answered. */
  asked: boolean;
  problems: RootShown[];
  /** Two documents of one version. */
  torn?: Decline;
}

/**
 * The chain as far as this disk holds it. Undefined for a node that trusts
 * configured keys. Throws `UpdaterError` CONFIG for a pin that cannot be used.
 */
export async function openTrust({ config, paths }: Host): Promise<TrustLook | undefined> {
  if (config.trusted_root === undefined) return undefined;
  const pin = await readPinnedRoot(config.trusted_root, config.app);
  const { steps } = await readKeptRoots(paths.trust, pin.verified);
  const written = readRootFile(paths);
  const chain = [pin, ...steps].map(({ verified }) => verified);
  return {
    pin,
    chain,
    newest: chain.at(-1) ?? pin.verified,
    fresh: [],
    known: written?.pin === pin.verified.sha256 ? written : undefined,
    asked: false,
    problems: [],
  };
}

/** Whether the mirrors are to be asked for a step before anything else. */
export function isDue(host: Host, trust: TrustLook, now: Date): boolean {
  const asked = Date.parse(trust.known?.asked ?? '');
  const since = now.getTime() - asked;
  // A time that lies ahead was a wrong clock's.
  const isRecent = since >= 0 && since < ASK_EVERY_MS;
  // A step was kept, and the power went before that was noted.
  const isNoted = trust.known?.version === trust.newest.root.version;
  return !isRecent || !isNoted || judgeTrust(host, trust, now) !== undefined;
}

/** Walks on from what is known. Throws `UpdaterError` INTERRUPTED. */
export async function walkOn(
  { signal }: Host,
  trust: TrustLook,
  mirrors: readonly Mirror[],
): Promise<TrustLook> {
  try {
    const { newest, steps, problems, equivocation } = await walkRoot(mirrors, trust.newest, {
      signal,
      before: trust.chain.at(-2),
    });
    const shown = equivocation?.shown.map(
      ({ mirror, sha256 }) => `'${mirror.name}' shows ${sha256.slice(0, 12)}…`,
    );
    const ours =
      equivocation?.version === trust.newest.root.version
        ? [`this node took ${trust.newest.sha256.slice(0, 12)}…`]
        : [];
    const torn: Decline | undefined = equivocation && {
      code: 'root-equivocation',
      reason: `two different root documents have version ${equivocation.version}: ${[...ours, ...(shown ?? [])].join(', ')}`,
      hint: 'both are signed by the root keys: nothing is installed; ask the maintainers at once, root keys may be in wrong hands',
    };
    return {
      ...trust,
      newest,
      chain: [...trust.chain, ...steps.map(({ verified }) => verified)],
      fresh: [...trust.fresh, ...steps],
      asked: problems.length < mirrors.length,
      problems: problems.map(({ mirror, error }) => toProblem(mirror, error)),
      ...(torn === undefined ? {} : { torn }),
    };
  } catch (error) {
    stopIfTold(signal);
    throw error;
  }
}

function toProblem({ name }: Mirror, error: OtaError): RootShown {
  const isLie = error.exit === ExitCode.refused;
  const message = withoutName(error.message, name);
  const problem = isLie ? `shows a root document that cannot be believed: ${message}` : message;
  return { mirror: name, problem, isLie };
}

/** The document that stands where another one was taken before, if the chain leads past that. */
export function leavesKnown({ chain, known }: TrustLook): VerifiedRoot | undefined {
  const same = chain.find(({ root }) => root.version === known?.version);
  return same?.sha256 === known?.sha256 ? undefined : same;
}

/** Why nothing may be installed on the word of this chain; undefined when it may. */
export function judgeTrust({ config }: Host, trust: TrustLook, now: Date): Decline | undefined {
  const { newest, known, torn } = trust;
  if (torn !== undefined) return torn;
  const { version } = newest.root;
  if (known !== undefined && known.version > version) {
    return {
      code: 'root-lost',
      reason: `this node has known root document ${known.version}, and finds only ${version} again`,
      hint: "the steps between are neither kept nor on a mirror: 'mirrors sync' completes a mirror",
    };
  }
  const other = leavesKnown(trust);
  if (known !== undefined && other !== undefined) {
    return {
      code: 'root-equivocation',
      reason: `two different root documents have version ${known.version}: this node took ${known.sha256.slice(0, 12)}… before, and finds ${other.sha256.slice(0, 12)}… now`,
      hint: 'both are signed by the root keys: ask the maintainers at once, root keys may be in wrong hands',
    };
  }
  if (config.channel === newest.root.channel) {
    return {
      code: 'channel-unlisted',
      reason: `'${config.channel}' is the default channel of root document ${version}`,
      hint: `leave 'channel' out of ${config.file}`,
    };
  }
  try {
    checkRootExpiry(newest, readTime(now, newest.root.published).now);
    policyFor(newest.root, config.channel);
    return undefined;
  } catch (error) {
    if (!(error instanceof TrustError)) throw error;
    const code = error.code === 'EXPIRED' ? 'root-expired' : 'channel-unlisted';
    return { code, reason: error.message, hint: error.hint };
  }
}
