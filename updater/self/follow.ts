/**
 * The updater updates itself as a component like any other, one step behind the
 * rest: only when the release that brings it is committed, and only after it
 * proved that it can do the work.
 *
 * Order, each durable before the next: the attempt is counted; proof; the link
 * `updater.previous` to the one that runs; the link `updater` to the new one;
 * the record. If the power goes before the last link, the old one starts; from
 * then on the new one, with the old one beside it until the new one has done
 * its work once (`confirm.ts`).
 */
import { existsSync, lstatSync } from 'node:fs';
import { crashPoint } from '@landfall/cli';
import { replaceSymlinkDurably } from '@landfall/durable';
import { messageOf } from '@landfall/errors';
import { findDamage, hashFile } from '../deployments.ts';
import { MAX_ATTEMPTS, type Deployment } from '../facts.ts';
import { timestamp, type Host } from '../host.ts';
import type { Settled } from '../machine.ts';
import type { Paths } from '../paths.ts';
import { type Candidate, readCandidates, writeCandidate } from '../records/updater-file.ts';
import { readUpdaterLink, updaterFile, updaterTarget } from './links.ts';
import { prove } from './proof.ts';
import { removeRehearsals } from './rehearsal.ts';

/** An updater that a committed release brought, and where it would be linked from. */
interface Newcomer {
  release: Deployment;
  file: string;
  target: string;
  sha256: string;
}

/**
 * Hands over to the updater of the release that runs, if it is committed, brings
 * one, and that one proves itself. True: the next start is the new one's.
 * Never throws: an updater that stays is no reason for an update to fail.
 */
export async function followUpdater(host: Host, state: Settled): Promise<boolean> {
  try {
    const newcomer = findNewcomer(host, state);
    if (newcomer === undefined) return false;
    return await tryOut(host, newcomer);
  } catch (error) {
    host.note(`the updater stays as it is: ${messageOf(error)}`);
    return false;
  }
}

function findNewcomer(host: Host, state: Settled): Newcomer | undefined {
  const { config, paths } = host;
  const { component } = config.updater;
  if (component === undefined || state.name !== 'committed') return undefined;
  const release = state.running.deployment;
  const file = updaterFile(paths, release.id, component);
  if (lstatSync(file, { throwIfNoEntry: false })?.isFile() !== true) return undefined;
  const link = readUpdaterLink(paths, paths.updater);
  if (link === 'foreign') {
    host.note(`the updater stays as it is: expected a link at ${paths.updater}`);
    return undefined;
  }
  const target = updaterTarget(paths, release.id, component);
  if (link?.target === target) return undefined;
  const sha256 = hashFile(file);
  if (link !== undefined && existsSync(link.file) && hashFile(link.file) === sha256) {
    // The same bytes in a newer deployment: the older one may go.
    replaceSymlinkDurably(paths.updater, target);
    return undefined;
  }
  if (isTakingOver(paths)) return undefined;
  return { release, file, target, sha256 };
}

/** Whether one took over that has still to do its work. Before the last link was made, none has. */
function isTakingOver(paths: Paths): boolean {
  const previous = readUpdaterLink(paths, paths.previousUpdater);
  const link = readUpdaterLink(paths, paths.updater);
  if (previous === undefined || previous === 'foreign' || link === 'foreign') return false;
  return previous.target !== link?.target;
}

async function tryOut(host: Host, newcomer: Newcomer): Promise<boolean> {
  const { paths, journal } = host;
  const { release, sha256, file } = newcomer;
  const known = readCandidates(paths.updaterFile);
  if (known.state === 'corrupt') {
    host.note(`no new updater is tried: ${paths.updaterFile} is corrupt; remove it to go on`);
    return false;
  }
  const candidates = known.state === 'ok' ? known.value : [];
  const before = candidates.find((each) => each.sha256 === sha256);
  const last = candidates.findLast((each) => each.outcome === 'took-over');
  if (before?.outcome === 'failed') return false;
  const at = timestamp();
  // One that took over and is not linked was put back; unless another one took over after it.
  const isPutBack = last?.sha256 === sha256;
  const tries = (before?.outcome === undefined || isPutBack ? (before?.tries ?? 0) : 0) + 1;
  const candidate: Candidate = { sha256, release: release.version, at, tries };
  const tell = (outcome: Candidate['outcome'], reason?: string): void => {
    writeCandidate(paths.updaterFile, candidates, { ...candidate, outcome, reason });
    journal.append({ at: timestamp(), updater: outcome ?? 'put off', release: release.id, reason });
    const words = outcome === 'took-over' ? 'takes over' : `stays out: ${reason}`;
    host.note(`the updater of ${release.version} ${words}`);
  };
  if (tries > MAX_ATTEMPTS) {
    const what = isPutBack ? 'it took over and did not do its work' : 'no proof came to an end';
    tell('failed', `${what}, ${MAX_ATTEMPTS} times`);
    return false;
  }
  const damage = findDamage(paths, release);
  if (damage !== undefined) throw new Error(damage);
  writeCandidate(paths.updaterFile, candidates, candidate);
  crashPoint('updater-proof-begun');
  host.note(`the updater of ${release.version} is put to the proof`);
  const proof = await prove(host, file, sha256);
  removeRehearsals(paths.state);
  if (host.signal.aborted) return false;
  if (proof.outcome === 'failed') {
    if (proof.again === 'freely') candidate.tries -= 1;
    tell(proof.again === 'never' ? 'failed' : undefined, proof.reason);
    return false;
  }
  crashPoint('updater-proved');
  handOver(host, newcomer);
  tell('took-over', `version ${proof.version}`);
  return true;
}

function handOver({ paths }: Host, { target }: Newcomer): void {
  const link = readUpdaterLink(paths, paths.updater);
  if (link !== undefined && link !== 'foreign' && existsSync(link.file)) {
    replaceSymlinkDurably(paths.previousUpdater, link.target);
    crashPoint('updater-previous-kept');
  }
  replaceSymlinkDurably(paths.updater, target);
  crashPoint('updater-took-over');
}
