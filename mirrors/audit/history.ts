/**
 * Every manifest that mirrors serve or, in git, served before, and whether
 * they form one chain: one manifest for a sequence, each naming the one
 * before it. Sequences may be left out: a release that was signed and never
 * published keeps its own. Only manifests that are validly signed are looked at.
 */
import { OtaError } from '@landfall/errors';
import { indexPath } from '@landfall/manifest';
import type { VerifiedManifest } from '@landfall/trust';
import { MirrorError } from '../errors.ts';
import { fileOf } from '../git.ts';
import { commitsOf } from '../git-history.ts';
import { type Believed, gatherIndex } from '../signed-index.ts';
import type { Finding, Fixes } from './finding.ts';

/** A valid manifest, and the mirror that serves it or has it in its git history. */
export interface Seen {
  mirror: string;
  verified: VerifiedManifest;
}

/** The valid manifests of a channel below a git head, newest first; none where git cannot tell them. */
export async function earlierManifests(
  repository: string,
  head: string,
  channel: string | undefined,
  believed: Believed,
): Promise<VerifiedManifest[]> {
  const found = new Map<string, VerifiedManifest>();
  const commits = await commitsOf(repository, head, indexPath(channel), '').catch(untold);
  for (const commit of commits) {
    const index = await gatherIndex(channel, believed, (path, maxBytes) =>
      fileOf(repository, commit, path, maxBytes),
    ).catch((error: unknown) => {
      if (error instanceof OtaError) return undefined;
      throw error;
    });
    if (index !== undefined) found.set(index.verified.sha256, index.verified);
  }
  return [...found.values()];
}

function untold(error: unknown): string[] {
  if (error instanceof MirrorError && error.code === 'BAD_ANSWER') return [];
  throw error;
}

/** Equivocations and broken chains among the manifests of one channel. */
export function checkChain(seen: readonly Seen[], fixes: Fixes): Finding[] {
  const bySequence = Map.groupBy(seen, ({ verified }) => verified.manifest.sequence);
  return [
    ...[...bySequence].flatMap(([sequence, all]) => equivocation(sequence, all, fixes)),
    ...uniqueBy(seen).flatMap((each) => brokenLink(each, bySequence, fixes)),
  ];
}

function equivocation(sequence: number, all: readonly Seen[], fixes: Fixes): Finding[] {
  const kinds = uniqueDigests(all);
  if (kinds.length < 2) return [];
  const words = kinds.map((sha256) => {
    const holders = all.filter(({ verified }) => verified.sha256 === sha256);
    const names = [...new Set(holders.map(({ mirror }) => `'${mirror}'`))].join(' and ');
    const [first] = holders;
    return `${names} sha256 ${sha256.slice(0, 12)}… (${first?.verified.manifest.version}, signed by ${first?.verified.signers.join(' and ')})`;
  });
  const mirrors = [...new Set(all.map(({ mirror }) => mirror))];
  return mirrors.map((mirror) => ({
    mirror,
    code: 'EQUIVOCATION',
    severity: 'alarm',
    message: `different manifests have sequence ${sequence}, all validly signed: ${words.join(', ')}`,
    fix: fixes.lookCloser(),
  }));
}

function brokenLink(
  { mirror, verified }: Seen,
  bySequence: ReadonlyMap<number, readonly Seen[]>,
  fixes: Fixes,
): Finding[] {
  const { previous, sequence, version } = verified.manifest;
  if (previous === null) return [];
  const broken = (expected: string, found: string): Finding[] => [
    {
      mirror,
      code: 'CHAIN_BROKEN',
      severity: 'error',
      message: `the chain is broken at ${version} (sequence ${sequence}): expected 'previous' to be ${expected}, found ${found}`,
      fix: fixes.lookCloser(),
    },
  ];
  // What was signed and never published leaves a gap: only what a mirror showed can be missing.
  const between = [...bySequence.keys()].filter((at) => at > previous.sequence && at < sequence);
  if (between.length > 0) {
    const newest = Math.max(...between);
    return broken(`sequence ${newest}, which was served`, `sequence ${previous.sequence}`);
  }
  const known = uniqueDigests(bySequence.get(previous.sequence) ?? []);
  if (known.length === 0 || known.includes(previous.sha256)) return [];
  return broken(
    `sha256 ${known[0]?.slice(0, 12)}…, which is served as sequence ${previous.sequence}`,
    `sha256 ${previous.sha256.slice(0, 12)}…`,
  );
}

/** What a mirror keeps as an earlier manifest, and is none. */
export function brokenHistory(
  { mirror, sequence, error }: { mirror: string; sequence: number; error: OtaError },
  fixes: Fixes,
): Finding {
  return {
    mirror,
    code: 'CHAIN_BROKEN',
    severity: 'error',
    message: `what it kept of sequence ${sequence} is not what was signed: ${error.message}`,
    fix: fixes.lookCloser(),
  };
}

function uniqueDigests(all: readonly Seen[]): string[] {
  return [...new Set(all.map(({ verified }) => verified.sha256))];
}

/** Each manifest of each mirror once. */
function uniqueBy(seen: readonly Seen[]): Seen[] {
  const first = new Map<string, Seen>();
  for (const each of seen) {
    const key = `${each.mirror} ${each.verified.sha256}`;
    if (!first.has(key)) first.set(key, each);
  }
  return [...first.values()];
}
