/** Repairs of all that one look found, each on its own: one that fails does not keep the others from it. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '@landfall/errors';
import type { Host } from '../host.ts';
import { type Inventory, toSelected } from '../records/inventory-file.ts';
import type { Expected, Finding } from './findings.ts';
import { isInside, repairPlainly, restoreContent, type Round } from './repair.ts';
import { fetchComponents, findLocally } from './sources.ts';
import { findTwins, restoreTwins } from './twins.ts';

/** What became of repairs. */
export interface Repairs {
  /** Paths that were repaired. */
  done: string[];
  /** Path → why it could not be. */
  failed: Map<string, string>;
  /** Mirrors were asked, and could not help. */
  inVain: boolean;
}

/** Repairs `findings`; content that is not on this disk is asked of mirrors when `online`. */
export async function repairAll(
  host: Host,
  round: Round,
  inventory: Inventory,
  findings: readonly Finding[],
  online: boolean,
): Promise<Repairs> {
  const repairs: Repairs = { done: [], failed: new Map(), inVain: false };
  const wanted: Expected[] = [];
  for (const finding of findings) {
    if (host.signal.aborted) return repairs;
    const { path, kind, expected } = finding;
    const needsContent = expected?.type === 'file' && kind !== 'mode';
    attempt(repairs, path, !needsContent, () => {
      if (!needsContent || kind === 'type') repairPlainly(round, finding);
    });
    if (needsContent) wanted.push(expected);
  }
  if (wanted.length === 0) return repairs;
  const local = findLocally(host, inventory, wanted);
  const placesOf = ({ sha256 }: Expected): readonly string[] => local.get(sha256) ?? [];
  const twins = findTwins(round.directory, wanted, placesOf);
  restore(host, repairs, round, wanted, placesOf);
  // What lacks its folder is nothing that mirrors could help with.
  const lacking = wanted.filter(({ path }) => repairs.failed.has(path) && isInside(round, path));
  if (lacking.length > 0 && online && isOffered(inventory) && !host.signal.aborted) {
    await restoreFromMirrors(host, round, inventory, lacking, repairs);
  }
  const restored = wanted.filter(({ path }) => repairs.done.includes(path));
  restoreTwins(host, round.directory, restored, twins);
  return repairs;
}

async function restoreFromMirrors(
  host: Host,
  round: Round,
  inventory: Inventory,
  lacking: readonly Expected[],
  repairs: Repairs,
): Promise<void> {
  let staging: string | undefined;
  try {
    staging = await fetchComponents(host, inventory, lacking);
    const from = staging;
    restore(host, repairs, round, lacking, ({ path }) => [join(from, path)]);
  } catch (error) {
    repairs.inVain = true;
    for (const { path } of lacking) repairs.failed.set(path, messageOf(error));
  } finally {
    if (staging !== undefined) rmSync(staging, { recursive: true, force: true });
  }
}

function restore(
  { signal }: Host,
  repairs: Repairs,
  round: Round,
  wanted: readonly Expected[],
  sourcesOf: (expected: Expected) => readonly string[],
): void {
  for (const expected of wanted) {
    if (signal.aborted) return;
    attempt(repairs, expected.path, true, () =>
      restoreContent(round, expected, sourcesOf(expected)),
    );
  }
}

function attempt(repairs: Repairs, path: string, isDone: boolean, repair: () => void): void {
  try {
    repair();
    if (!isDone) return;
    repairs.failed.delete(path);
    repairs.done.push(path);
  } catch (error) {
    repairs.failed.set(path, messageOf(error));
  }
}

function isOffered({ components }: Inventory): boolean {
  return components.some((each) => toSelected(each) !== undefined);
}
