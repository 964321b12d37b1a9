/** Index updates over several stand-ins of Gitea servers. */
import { join } from 'node:path';
import { type IndexUpdate, prepareIndexUpdate, type WritableMirror } from '@landfall/mirrors';
import { giteaScene, type GiteaScene } from './gitea-scene.ts';
import { headOf, runGit } from './gitea-stand-in/state.ts';
import { temporaryFolder } from './temporary.ts';

const DATE = '2026-04-22T19:00:00Z';

export function filesOf(sequence: number): Map<string, Uint8Array> {
  return new Map([
    ['releases/manifest.json', Buffer.from(`{"sequence":${sequence}}\n`)],
    ['releases/manifest.json.minisig', Buffer.from(`signature ${sequence}\n`)],
  ]);
}

export function prepare(
  mirrors: readonly WritableMirror[],
  sequence = 1,
  repository = join(temporaryFolder(), 'index.git'),
): Promise<IndexUpdate> {
  const message = `Release 1.0.${sequence}`;
  return prepareIndexUpdate({ mirrors, files: filesOf(sequence), message, date: DATE, repository });
}

export const head = ({ server }: GiteaScene): string | undefined =>
  headOf(server.repository(), 'main');
export const writersOf = (all: readonly GiteaScene[]): WritableMirror[] =>
  all.map(({ writer }) => writer);

export async function scenes(...names: string[]): Promise<GiteaScene[]> {
  return Promise.all(names.map((name) => giteaScene(name)));
}

/** Gives the second server the first one's history, as a mirror that was cloned. */
export function copyHistory(from: GiteaScene, to: GiteaScene): void {
  const { git } = from.server.repository();
  runGit(to.server.repository().git, ['fetch', '--quiet', git, '+refs/heads/main:refs/heads/main']);
}

export function show(scene: GiteaScene, format: string): string {
  return runGit(scene.server.repository().git, [
    'show',
    '-s',
    `--format=${format}`,
    'refs/heads/main',
  ]);
}

export function fileAt(scene: GiteaScene, path: string): string {
  return runGit(scene.server.repository().git, ['show', `refs/heads/main:${path}`]);
}

export async function writeAll(all: readonly GiteaScene[], update: IndexUpdate): Promise<void> {
  await Promise.all(all.map(({ writer }) => writer.writeIndex(update, {})));
}
