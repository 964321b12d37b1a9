/**
 * Publishes root documents alone, without a release: after a key was stolen
 * nodes must hear of it at once. Only `trust/` of each index changes.
 *
 * A mirror that fails is left out and never stops the others: a node takes a
 * step from any mirror. Halt files that the new keys did not sign are signed
 * anew after them. Run again, it completes the rest. A crash leaves on
 * each mirror all versions up to some one, as before or as after.
 */
import { openWritableMirrors } from '@landfall/mirrors';
import { OtaError } from '@landfall/errors';
import type { Settings } from './config.ts';
import { ReleaseError } from './errors.ts';
import type { HaltRun } from './halt.ts';
import { expectedOf } from './load-config.ts';
import {
  alive,
  failureText,
  type MirrorProgress,
  onEach,
  startProgress,
} from './mirror-progress.ts';
import { rootFilesOf } from './roots.ts';
import type { Show, Step } from './show.ts';
import { needsRenewal, renewHalt, startHaltRun } from './steps/halts.ts';
import { mirrorsWithoutRoots, readRootsBack, requireNewestRoot } from './steps/roots.ts';
import { channelPathOf } from './workspace.ts';
import { writeIndexFiles } from './write-index-files.ts';

/** What the steps share; what went wrong with a mirror is kept in `mirrors`. */
export interface RootPublication {
  readonly settings: Settings;
  readonly mirrors: readonly MirrorProgress[];
  readonly signal: AbortSignal;
  /** Names of those that lack something. */
  without: ReadonlySet<string>;
  readonly dryRun: boolean;
  /** Of channels whose halt file nodes do not believe any more. */
  halts: HaltRun[];
  /** Channels from whose mirrors nodes take nothing, and what is to be done. */
  haltProblems: { channel: string; problem: OtaError }[];
}

/** What `publishRootSteps` work on. */
export function startRootPublication(
  settings: Settings,
  dryRun: boolean,
  signal: AbortSignal,
): RootPublication {
  const { directory } = settings;
  const mirrors = startProgress(openWritableMirrors(settings.mirrors, { directory }));
  return { settings, mirrors, signal, dryRun, without: new Set(), halts: [], haltProblems: [] };
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
      await lookAtHalts(publication, show);
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
  return dryRun ? [look] : [look, write, readBack, renewHalts];
}

/** Halt files of every channel: those that only replaced keys signed stop all updates. */
async function lookAtHalts(publication: RootPublication, show: Show): Promise<void> {
  const { mirrors, settings, haltProblems, halts } = publication;
  for (const { channel } of settings.roots.at(-1)?.root.channels ?? []) {
    const channelPath = channelPathOf(settings, channel);
    const of = { channel, channelPath, expected: expectedOf(settings, channel) };
    const run = startHaltRun({ ...publication, ...of }, mirrors);
    try {
      if (await needsRenewal(run, show)) halts.push(run);
    } catch (error) {
      if (!(error instanceof ReleaseError) || error.code !== 'HALT_UNKNOWN') throw error;
      haltProblems.push({ channel, problem: error });
    }
  }
}

/** After the root documents: what is signed by new keys is believed by them. What fails is told at the end. */
const renewHalts: Step<RootPublication> = {
  title: 'sign what is halted anew',
  when: ({ halts }) => halts.length > 0,
  asks: true,
  async run({ halts, haltProblems, signal }, show) {
    for (const run of halts) {
      const { channel } = run;
      try {
        await renewHalt(run, show);
      } catch (error) {
        signal.throwIfAborted();
        // Most likely the new key is not configured yet: the root documents are out all the same.
        if (!(error instanceof OtaError)) throw error;
        haltProblems.push({ channel, problem: error });
      }
      for (const { failure } of run.mirrors) {
        if (failure !== undefined) haltProblems.push({ channel, problem: failure.error });
      }
    }
  },
};

const writeRoots: Step<RootPublication>['run'] = async (publication, show) => {
  const { mirrors, settings, without } = publication;
  const newest = settings.roots.at(-1);
  if (newest === undefined) return;
  const { app, version, published } = newest.root;
  const wanted = {
    files: rootFilesOf(settings.roots),
    message: `Root document ${version} of ${app}\n`,
    date: published,
    point: 'roots-written',
  };
  const todo = alive(mirrors).filter(({ mirror }) => without.has(mirror.name));
  await writeIndexFiles(publication, todo, wanted, show);
};
