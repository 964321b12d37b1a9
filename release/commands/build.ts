/** `release build [VERSION]`. */
import { type Command, type Context, formatBytes, formatTable, interruptible } from '@landfall/cli';
import { searchFor } from '../bases.ts';
import { gate, pack, recordBuild, runCommands } from '../build.ts';
import { deltasOf } from '@landfall/manifest';
import { withScratchFolder } from '@landfall/mirrors';
import type { Settings } from '../config.ts';
import { waitingFolder } from '../drafts.ts';
import { ReleaseError } from '../errors.ts';
import { loadSettings } from '../load-config.ts';
import { type Build, need } from '../shipment.ts';
import { runSteps, showModeFor, type Step } from '../show.ts';
import { makeDeltas } from '../steps/deltas.ts';
import { sourceOf } from '../steps/source.ts';
import { versionOf } from '../version.ts';
import { lockWorkspace, signedChannels, versionFolder } from '../workspace.ts';
import { DRY_RUN } from './common.ts';

/** `release build [VERSION]`: builds, packs and gates into `.release/VERSION`; signs nothing. */
export const buildCommand: Command = {
  name: 'build',
  args: '[VERSION]',
  arity: [0, 1],
  summary: "run the project's build, pack it and pass it through the gate",
  options: { 'dry-run': DRY_RUN },
  details: [
    'Artifacts go to .release/VERSION. An archive whose root directory is not drwxr-xr-x is refused;',
    'a folder is packed with normalised permissions, and it says what was normalised.',
  ],
  async run(context) {
    const settings = await loadSettings(context.text('config'));
    const version = versionOf(context.positionals[0], settings.directory);
    if (context.flag('dry-run')) {
      return withScratchFolder('dry-run', (folder) =>
        buildInto(context, settings, version, folder),
      );
    }
    const lock = lockWorkspace(settings, `release build ${version}`);
    try {
      refuseSigned(settings, version);
      await buildInto(context, settings, version, versionFolder(settings, version));
    } finally {
      lock.release();
    }
  },
};

/** Builds into `folder` and reports. */
async function buildInto(
  context: Context,
  settings: Settings,
  version: string,
  folder: string,
): Promise<void> {
  const dryRun = context.flag('dry-run');
  const done = await interruptible(async (signal) => {
    const source = await sourceOf(settings.directory, { requireClean: false });
    const started: Build = { settings, version, folder, signal, source };
    await runSteps([runCommands, pack, gate, deltas], started, showModeFor(context.json));
    if (!dryRun) recordBuild(started);
    return started;
  });
  const packed = need(done.packed, 'artifacts');
  const made = need(done.components, 'components').flatMap(({ artifacts }) =>
    artifacts.flatMap(deltasOf),
  );
  const shown = { version, folder: dryRun ? null : folder, dryRun, artifacts: packed };
  context.result({ ...shown, deltas: made }, [
    ...formatTable(
      ['component', 'file', 'size', 'entries', 'tree digest'],
      packed.map(({ component, file, size, tree }) => [
        component,
        file,
        formatBytes(size),
        tree === undefined ? '-' : String(tree.entries),
        tree?.digest ?? '-',
      ]),
    ),
    ...made.map(
      ({ file, size, from }) => `delta from ${from.version}: ${file}, ${formatBytes(size)}`,
    ),
    dryRun ? 'dry run: nothing was kept' : `in ${folder}`,
  ]);
}

const deltas: Step<Build> = {
  title: 'make deltas',
  when: ({ settings }) => settings.deltas > 0,
  run: (build, show) => makeDeltas(build, () => searchFor(build), show),
};

/** What was signed may be on a mirror already, or be signed by somebody right now: it is never built over. */
function refuseSigned(settings: Settings, version: string): void {
  const folder = versionFolder(settings, version);
  const waits = waitingFolder(settings, version);
  if (signedChannels(folder).length === 0 && waits === undefined) return;
  throw new ReleaseError(
    'ALREADY_SIGNED',
    `release ${version} is built and ${waits === undefined ? 'signed already' : 'waits for signatures'}: '${folder}'`,
    {
      hint: `'release ship ${version}' ships it; for other bytes raise the version, or remove that folder${waits === undefined ? '' : ` and '${waits}'`} if the release reached no mirror`,
    },
  );
}
