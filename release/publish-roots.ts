/**
 * Publishes root documents alone, without a release: after a key was stolen
 * nodes must hear of it at once. Only `trust/` of each index changes.
 *
 * A mirror that fails is left out and never stops the others: a node takes a
 * step from any mirror. Run again, it completes the rest. A crash leaves on
 * each mirror all versions up to some one, as before or as after.
 */
import { join } from 'node:path';
import { crashPoint } from '@landfall/cli';
import { openWritableMirrors, prepareIndexUpdate } from '@landfall/mirrors';
import type { Settings } from './config.ts';
import {
  alive,
  failureText,
  type MirrorProgress,
  onEach,
  startProgress,
} from './mirror-progress.ts';
import { rootFilesOf } from './roots.ts';
import type { Step } from './show.ts';
import { otherChannels, requireOtherChannels } from './steps/other-channels.ts';
import { mirrorsWithoutRoots, readRootsBack, requireNewestRoot } from './steps/roots.ts';
import { workspaceOf } from './workspace.ts';

export interface RootPublication {
  readonly settings: Settings;
  readonly mirrors: readonly MirrorProgress[];
  readonly signal: AbortSignal;
  /** Names of those that lack something. */
  without: ReadonlySet<string>;
}

/** What `publishRootSteps` work on. */
export function startRootPublication(settings: Settings, signal: AbortSignal): RootPublication {
  const { directory } = settings;
  const mirrors = startProgress(openWritableMirrors(settings.mirrors, { directory }));
  return { settings, mirrors, signal, without: new Set() };
}

/** The list of steps; a dry run ends after the first. */
export function publishRootSteps(dryRun: boolean): Step<RootPublication>[] {
  const look: Step<RootPublication> = {
    title: 'look at all mirrors',
    async run(publication, show) {
      const { mirrors, settings, signal } = publication;
      await onEach(mirrors, 'check', signal, async ({ mirror }) => {
        await mirror.checkWritable({ signal });
      });
      await requireNewestRoot(mirrors, settings, signal);
      publication.without = await mirrorsWithoutRoots(mirrors, settings, signal);
      show.outcome(`${publication.without.size} lack root documents`);
    },
  };
  const write: Step<RootPublication> = {
    title: 'write',
    skip: ({ without }) => (without.size === 0 ? 'every mirror has them' : undefined),
    run: writeRoots,
  };
  const readBack: Step<RootPublication> = {
    title: 'read back',
    async run({ mirrors, settings, signal }, show) {
      await onEach(mirrors, 'read back', signal, async (progress) => {
        await readRootsBack(progress.mirror, settings, signal);
        progress.indexed = true;
      });
      for (const each of mirrors) {
        if (each.failure !== undefined) show.line(`${each.mirror.name}: ${failureText(each)}`);
      }
      show.outcome(`${mirrors.filter(({ indexed }) => indexed).length} of ${mirrors.length}`);
    },
  };
  return dryRun ? [look] : [look, write, readBack];
}

const writeRoots: Step<RootPublication>['run'] = async (publication, show) => {
  const { mirrors, settings, signal, without } = publication;
  const newest = settings.roots.at(-1);
  if (newest === undefined) return;
  const todo = alive(mirrors).filter(({ mirror }) => without.has(mirror.name));
  const { app, version, published } = newest.root;
  const update = await prepareIndexUpdate({
    mirrors: alive(mirrors).map(({ mirror }) => mirror),
    files: rootFilesOf(settings.roots),
    message: `Root document ${version} of ${app}\n`,
    date: published,
    repository: join(workspaceOf(settings), 'index.git'),
    signal,
  });
  const others = await otherChannels(update, settings, undefined);
  await onEach(todo, 'write', signal, async ({ mirror }) => {
    await requireOtherChannels(mirror, others, signal);
    await mirror.writeIndex(update, { signal });
    crashPoint('roots-written');
    show.live(mirror.name, 'written');
  });
  show.outcome(`to ${alive(todo).length}`);
};
