/**
 * Earlier manifests of a channel, all verified: those signed in this folder,
 * those that lagging mirrors still serve, those in the history of the index that
 * git mirrors keep, and those that directory mirrors kept. Which of them were ever published is told by the chain
 * of `previous` from what the mirrors have now, or by who served them. Changes
 * nothing but the cache of the index.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { OtaError } from '@landfall/errors';
import { indexPath, type Manifest } from '@landfall/manifest';
import { followHistory, openScratch } from '@landfall/mirrors';
import type { VerifiedManifest } from '@landfall/trust';
import { commitsOf, filesIn, signedIn } from './index-git.ts';
import { alive } from './mirror-progress.ts';
import { need, type Shipment } from './shipment.ts';
import { signedHere } from './situation.ts';
import { wasPublished } from './proofs.ts';
import { workspaceOf } from './workspace.ts';

/** A manifest that was found, and whether nodes could have had it. */
export interface Known {
  readonly manifest: Manifest;
  readonly sha256: string;
  readonly published: boolean;
}

/** So many manifests of a channel are looked at in the history of the index, newest first, unless told fewer. */
const MAX_HISTORY = 200;

/** Where is looked: mirrors of `mirrors` that keep their index in git are asked for its history. */
export type Search = Pick<
  Shipment,
  'settings' | 'channelPath' | 'expected' | 'survey' | 'mirrors' | 'temporary' | 'signal'
>;

/** Every manifest of the channel that can be found, newest first; on mirrors not further back than `most`. */
export async function knownManifests(shipment: Search, most = MAX_HISTORY): Promise<Known[]> {
  const { survey, settings } = shipment;
  const served = need(survey, 'survey').rows.flatMap(({ verified }) => verified ?? []);
  const inHistory = [
    ...(await manifestsInHistory(shipment, most)),
    ...(await manifestsKept(shipment, most)),
  ];
  const here = signedHere(shipment).map(({ verified }) => verified);
  const all = new Map<string, VerifiedManifest>();
  for (const each of [...served, ...inHistory, ...here]) all.set(each.sha256, each);
  const published = new Set([...served, ...inHistory].map(({ sha256 }) => sha256));
  for (const { sha256, manifest } of here) {
    if (wasPublished(settings, manifest.version, sha256)) published.add(sha256);
  }
  followChain(all, published);
  return [...all.values()]
    .map(({ manifest, sha256 }) => ({ manifest, sha256, published: published.has(sha256) }))
    .toSorted((a, b) => b.manifest.sequence - a.manifest.sequence);
}

/** What a published manifest follows was published as well. */
function followChain(all: ReadonlyMap<string, VerifiedManifest>, published: Set<string>): void {
  // A set that grows while it is walked is walked to its new end.
  for (const sha256 of published) {
    const previous = all.get(sha256)?.manifest.previous;
    if (previous !== undefined && previous !== null) published.add(previous.sha256);
  }
}

/** Manifests in the history of git mirrors' index branches; what cannot be fetched or believed is left out. */
async function manifestsInHistory(shipment: Search, most: number): Promise<VerifiedManifest[]> {
  const { settings, temporary, signal, channelPath, expected } = shipment;
  const branches = alive(shipment.mirrors).flatMap(({ mirror }) => mirror.indexBranch ?? []);
  if (branches.length === 0) return [];
  const repository = join(temporary ?? workspaceOf(settings), 'index.git');
  const path = indexPath(channelPath);
  const found = new Map<string, VerifiedManifest>();
  try {
    await openScratch(repository);
    for (const branch of branches) {
      const head = await branch.fetchHead(repository, { signal }).catch(orNothing(signal));
      if (head === undefined) continue;
      for (const id of await commitsOf(path, { repository, id: head }, most)) {
        if (found.has(id)) continue;
        const names = await filesIn(repository, id);
        if (!names.includes(path)) continue;
        const read = signedIn({ repository, id }, { path, names, expected });
        const signed = await read.catch(orNothing(signal));
        if (signed !== undefined) found.set(id, signed.verified);
      }
    }
  } finally {
    if (temporary !== undefined) rmSync(repository, { recursive: true, force: true });
  }
  return [...found.values()];
}

/** Manifests that directory mirrors kept when others took their place. */
async function manifestsKept(shipment: Search, most: number): Promise<VerifiedManifest[]> {
  const { expected, channelPath, signal, survey } = shipment;
  const believed = { app: expected.app, policy: expected.policy };
  const usable = new Set(alive(shipment.mirrors).map(({ mirror }) => mirror.name));
  const rows = need(survey, 'survey').rows.filter(({ mirror }) => usable.has(mirror.name));
  const kept = await Promise.all(
    rows.map(async ({ mirror, verified }) => {
      if (verified === undefined) return [];
      return (await followHistory(mirror, channelPath, verified, believed, { signal, most }))
        .manifests;
    }),
  );
  return kept.flat();
}

/** For `catch`: what a mirror or git does wrong is nothing found; the abort reason and faults are thrown. */
export function orNothing(signal: AbortSignal): (error: unknown) => undefined {
  return (error) => {
    signal.throwIfAborted();
    if (!(error instanceof OtaError)) throw error;
    return undefined;
  };
}
