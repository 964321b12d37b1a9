/**
 * Completes mirrors from others. Every byte is verified on the way: the index
 * by its signatures, each artifact by all that was signed of it. Artifacts go
 * first and are read back as a stranger; a mirror gets the index only when it
 * serves all that the index names. What is there and right is not sent again,
 * so a run that was killed anywhere is finished by the next.
 *
 * Large files pass through `scratch`, one at a time; a crash leaves one there,
 * which the next run with the same folder finds and uses if it is whole.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { crashPoint } from '@landfall/cli';
import { artifactFiles, type Manifest } from '@landfall/manifest';
import { TrustError } from '@landfall/trust';
import { checkArtifact } from '../check-artifact.ts';
import { MirrorError } from '../errors.ts';
import { HEAD_PATH } from '../head.ts';
import type { Mirror, ReleaseInfo, WritableMirror } from '../mirror.ts';
import type { Believed } from '../signed-index.ts';
import { problemOfHead } from '../served-head.ts';
import { checkRoots, type KnownRoots, problemOfRoots, refuseTornRoots } from '../served-roots.ts';
import { type Bandwidth, throttled } from '../throttle.ts';
import { findGoals, type Goal, manifestOf, nameOf, wantedBy, type Wanted } from './goal.ts';
import { findHaltGoals, type HaltGoal, lookAtHalts } from './halts.ts';
import { writeIndexes } from './index-step.ts';
import { obtain } from './obtain.ts';
import { Target } from './target.ts';

/** What is copied from where to where, whom to believe, and how fast it may go. */
export interface SyncOptions extends Believed {
  /** Root documents that every mirror must have, where these say who is believed. */
  roots?: KnownRoots | undefined;
  /** Where to take from. */
  sources: readonly Mirror[];
  /** What to complete: each from both sides. */
  targets: readonly { reader: Mirror; writer: WritableMirror }[];
  /** Undefined: the default channel. */
  channels: readonly (string | undefined)[];
  /** Sources whose git history the commit of the index may already be in. */
  branches: readonly Pick<WritableMirror, 'indexBranch'>[];
  /** A folder for files on their way. */
  scratch: string;
  /** Bounds what is read and what is sent, all together. */
  bandwidth?: Bandwidth;
  /** Look, and change nothing. */
  dryRun?: boolean;
  /** A line of progress. */
  onLine?: (line: string) => void;
  signal?: AbortSignal;
}

/** What mirrors should hold, and how each target stands now; after a dry run, what it lacks. */
export interface SyncResult {
  targets: Target[];
  /** What the mirrors should hold: version and sequence by channel. */
  goals: { channel: string | null; version: string; sequence: number }[];
  /** Channels that no source serves validly, for people. */
  without: string[];
}

/** Throws `TrustError` EQUIVOCATION, `MirrorError` NOT_FOUND, and the abort reason; a target's own failure is its problem. */
export async function syncMirrors(options: SyncOptions): Promise<SyncResult> {
  if (options.roots !== undefined) refuseTornRoots(options.roots);
  const slow = (mirror: Mirror): Mirror =>
    options.bandwidth === undefined ? mirror : throttled(mirror, options.bandwidth);
  const sources = options.sources.map(slow);
  const targets = options.targets.map(({ reader, writer }) => new Target(slow(reader), writer));
  const readers = targets.map(({ reader }) => reader);
  const { goals, without } = await findGoals({ ...options, sources, targets: readers });
  const halts = await findHaltGoals(goals, { ...options, sources, targets: readers });
  await Promise.all(targets.map((target) => lookAt(target, goals, halts, options)));
  for (const wanted of wantedBy(goals)) await bring(wanted, goals, targets, sources, options);
  if (options.dryRun !== true) {
    await Promise.all(targets.map((target) => finishReleases(target, goals, options)));
    await writeIndexes(goals, targets, { ...options, halts });
  }
  return {
    targets,
    without,
    goals: goals.map(({ channel, index }) => ({
      channel: channel ?? null,
      version: index.verified.manifest.version,
      sequence: index.verified.manifest.sequence,
    })),
  };
}

/** In the list of what lags. */
const ROOT_DOCUMENTS = 'the root documents';

/** May we write there, and which channels lag? */
async function lookAt(
  target: Target,
  goals: readonly Goal[],
  halts: readonly HaltGoal[],
  { signal, roots }: SyncOptions,
): Promise<void> {
  await target.attempt(async () => {
    await target.writer.checkWritable(signal ? { signal } : {});
    for (const { channel, index, served } of goals) {
      const found = served.get(target.name);
      const { sequence } = index.verified.manifest;
      if (found?.sha256 === index.verified.sha256) continue;
      if (found !== undefined && found.sequence > sequence) {
        throw new MirrorError(
          'REJECTED',
          target.name,
          `is ahead of the sources in ${nameOf(channel)}: expected sequence ${sequence} at most, found ${found.sequence}`,
          { hint: `bring the others to it: mirrors sync --from ${target.name}` },
        );
      }
      target.staleIn.push(nameOf(channel));
    }
    lookAtHalts(target, halts);
    const channels = goals.map(({ channel }) => channel);
    const head = await problemOfHead(target.reader, channels, signal ? { signal } : {});
    if (head !== undefined) target.staleIn.push(HEAD_PATH);
    if (roots === undefined) return;
    const problem = problemOfRoots(
      target.name,
      await checkRoots(target.reader, roots, signal ? { signal } : {}),
    );
    if (problem instanceof TrustError) throw problem;
    if (problem !== undefined) target.staleIn.push(ROOT_DOCUMENTS);
  }, signal);
}

/** Brings one artifact to every target that does not serve it right. */
async function bring(
  wanted: Wanted,
  goals: readonly Goal[],
  targets: readonly Target[],
  sources: readonly Mirror[],
  options: SyncOptions,
): Promise<void> {
  const needing: Target[] = [];
  await Promise.all(
    targets.map((target) =>
      target.attempt(async () => {
        if (await lacks(target, wanted, options)) needing.push(target);
      }, options.signal),
    ),
  );
  if (needing.length === 0 || options.dryRun === true) return;
  const { version, artifact } = wanted;
  const to = join(options.scratch, version, artifact.file);
  try {
    await obtain(wanted, orderFor(wanted, needing, sources), to, options).catch(
      (error: unknown) => {
        options.signal?.throwIfAborted();
        for (const target of needing) target.fail(error);
      },
    );
    await Promise.all(
      needing.map((target) =>
        target.attempt(() => send(target, wanted, goals, to, options), options.signal),
      ),
    );
  } finally {
    rmSync(to, { force: true });
  }
}

/** Those that serve the same index first, never those that lack it. */
function orderFor(
  { holders }: Wanted,
  needing: readonly Target[],
  sources: readonly Mirror[],
): Mirror[] {
  const lacking = new Set(needing.map(({ name }) => name));
  return [...new Set([...holders, ...sources])].filter(({ name }) => !lacking.has(name));
}

async function lacks(
  target: Target,
  { version, artifact }: Wanted,
  { signal }: SyncOptions,
): Promise<boolean> {
  const found = await checkArtifact(target.reader, version, artifact, signal ? { signal } : {});
  if (found.state === 'right') target.kept += 1;
  else {
    const why = found.state === 'missing' ? 'missing' : found.found;
    target.lacking.push({ version, file: artifact.file, size: artifact.size, why });
  }
  return found.state !== 'right';
}

/** A run that was killed after the last upload may have left a release that is not public yet. */
async function finishReleases(
  target: Target,
  goals: readonly Goal[],
  { signal }: SyncOptions,
): Promise<void> {
  if (target.staleIn.length === 0) return;
  const options = signal === undefined ? {} : { signal };
  await target.attempt(async () => {
    for (const { index } of goals) {
      const { manifest } = index.verified;
      await target.writer.ensureRelease(releaseOf(manifest), options);
      await target.writer.finishRelease(manifest.version, options);
    }
  }, signal);
}

function releaseOf(manifest: Manifest): ReleaseInfo {
  const { version, notes, commit } = manifest;
  const files = artifactFiles(manifest).map(({ file, size }) => ({ file, size }));
  return { version, notes, prerelease: /^[^+]*-/.test(version), commit, files };
}

/** Uploads, then reads back as a stranger. */
async function send(
  target: Target,
  { version, artifact }: Wanted,
  goals: readonly Goal[],
  path: string,
  { onLine, signal, bandwidth }: SyncOptions,
): Promise<void> {
  const options = signal === undefined ? {} : { signal };
  await target.writer.ensureRelease(releaseOf(manifestOf(goals, version)), options);
  const { file, size, sha256 } = artifact;
  const pacer = bandwidth === undefined ? {} : { pacer: bandwidth };
  await target.writer.uploadArtifact(version, path, { size, sha256, ...options, ...pacer });
  crashPoint('sync-artifact-sent');
  const found = await checkArtifact(target.reader, version, artifact, options);
  if (found.state !== 'right') {
    const what = found.state === 'missing' ? 'nothing' : found.found;
    throw new MirrorError(
      'BAD_ANSWER',
      target.name,
      `does not serve what was sent: expected '${file}', an anonymous reader finds ${what}`,
      { hint: 'anyone must be able to read its releases; look for a cache or proxy in between' },
    );
  }
  target.sent += 1;
  onLine?.(`${target.name}: has '${file}'`);
}
