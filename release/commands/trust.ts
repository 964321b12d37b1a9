/** `release trust`: the root documents that say whose keys sign releases. */
import { resolve } from 'node:path';
import { CliError, type Command, type Context, interruptible } from '@landfall/cli';
import { ExitCode } from '@landfall/errors';
import { ManifestError } from '@landfall/manifest';
import { type RootDocument, serializeRoot } from '@landfall/trust';
import type { LooseSettings, Settings } from '../config.ts';
import { describeRoot } from '../documents.ts';
import { ReleaseError } from '../errors.ts';
import { describeHalt } from '../halt.ts';
import { loadConfig, loadSettings } from '../load-config.ts';
import { failureText } from '../mirror-progress.ts';
import { writeNewFile } from '../new-file.ts';
import { publishRootSteps, type RootPublication, startRootPublication } from '../publish-roots.ts';
import { firstRoot, nextRoot } from '../root-draft.ts';
import { readRoots, type RootChain, rootFile, type WaitingRoot } from '../roots.ts';
import { runSteps, showModeFor } from '../show.ts';
import { describeWaiting, reportWaiting } from '../waiting.ts';
import { lockWorkspace } from '../workspace.ts';
import { DRY_RUN, QUORUM, quorumFrom } from './common.ts';
import { CHANGE_OPTIONS, changesFrom } from './trust-options.ts';

const ACTIONS = ['init', 'rotate', 'show', 'publish'] as const;

/** `release trust`: makes, shows and publishes root documents; `release sign` signs them. */
export const trustCommand: Command = {
  name: 'trust',
  args: 'ACTION',
  arity: [1, 1],
  summary: 'make, replace, show and publish the document that says who may sign',
  options: { ...CHANGE_OPTIONS, quorum: QUORUM, 'dry-run': DRY_RUN },
  details: [
    'ACTION is one of:',
    "init     version 1, in the folder 'keys.root' (trust/ unless told), with the release keys of the",
    "         configuration unless --key names others; then keys: { root: 'trust' } takes their place",
    'rotate   the next version: what the options change; without any it only lasts longer',
    'show     every version, who may sign what, and whose signatures the newest one lacks',
    'publish  puts all versions on every mirror now; ship does it too',
    "Each version is signed with 'release sign trust/root-N.json --key FILE', by enough of the root keys",
    'of the version before and by enough of its own. KEY is a line (RW…) or a .pub file.',
  ],
  async run(context) {
    const [action] = context.positionals;
    switch (ACTIONS.find((each) => each === action)) {
      case 'init':
        return init(context);
      case 'rotate':
        return rotate(context);
      case 'show':
        return show(context);
      case 'publish':
        return publish(context);
      case undefined:
        throw new CliError(
          'USAGE',
          `expected one of ${ACTIONS.join(', ')}, found '${action}'`,
          "see 'release trust --help'",
        );
    }
  },
};

interface Place {
  config: LooseSettings;
  /** The folder of root documents. */
  folder: string;
  chain: RootChain;
}

async function placeOf(context: Context): Promise<Place> {
  const config = await loadConfig(context.text('config'));
  const folder = resolve(config.directory, config.keys.root ?? 'trust');
  return { config, folder, chain: readRoots(folder, config.app) };
}

async function init(context: Context): Promise<void> {
  const { config, folder, chain } = await placeOf(context);
  refuseWaiting(chain);
  if (chain.steps.length > 0) {
    throw new ReleaseError('EXISTS', `'${folder}' has root documents already`, {
      hint: "'release trust rotate' makes the next one",
    });
  }
  const channel = config.channel ?? 'stable';
  const changes = changesFrom(context, { channel });
  const { public: keys, threshold } = config.keys;
  const given = changes.keys.some((each) => each.channel === channel);
  const withKeys = given
    ? changes
    : {
        ...changes,
        keys: [...changes.keys, ...keys.map((key) => ({ channel, key }))],
        // The first of a channel counts: what is told here before what the configuration says.
        thresholds: [...changes.thresholds, { channel, threshold }],
      };
  write(context, folder, firstRoot(config.app, channel, withKeys, new Date()), chain);
}

async function rotate(context: Context): Promise<void> {
  const { folder, chain } = await placeOf(context);
  refuseWaiting(chain);
  const newest = chain.steps.at(-1);
  if (newest === undefined) {
    throw new ReleaseError('NO_ROOT', `'${folder}' has no root document to replace`, {
      hint: "'release trust init' makes the first one",
    });
  }
  const settings = await loadSettings(context.text('config'));
  const changes = changesFrom(context, { channel: newest.root.channel, settings });
  write(context, folder, nextRoot(newest.root, changes, new Date()), chain);
}

/** Puts the document where it is signed. Never over another: somebody may have signed that. */
function write(context: Context, folder: string, root: RootDocument, before: RootChain): void {
  const path = rootFile(folder, root.version);
  const bytes = bytesOf(root);
  const lines = describeRoot(root).map((line) => `  ${line}`);
  if (context.flag('dry-run')) {
    context.result({ path, root, dryRun: true }, [`would write '${path}':`, ...lines]);
    return;
  }
  writeNewFile(path, new TextDecoder().decode(bytes), 0o644, 'it is never changed: make the next');
  const chain = readRoots(folder, root.app);
  const next =
    before.steps.length === 0 ? CONFIGURE : 'commit the folder, then: release trust publish';
  context.result({ path, root, dryRun: false }, [
    `wrote '${path}':`,
    ...lines,
    ...(chain.waiting === undefined ? [] : describeWaitingRoot(chain.waiting, next)),
  ]);
}

/** The document, which options may have made one that could trust nobody. */
function bytesOf(root: RootDocument): Uint8Array {
  try {
    return serializeRoot(root);
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    throw new CliError('USAGE', error.message, "see 'release trust --help'");
  }
}

const CONFIGURE =
  "commit the folder, write keys: { root: 'trust' } in place of 'public' and 'threshold', then: release trust publish";

async function show(context: Context): Promise<void> {
  const { chain, folder } = await placeOf(context);
  const newest = chain.steps.at(-1);
  const next = newest === undefined ? CONFIGURE : 'commit the folder, then: release trust publish';
  const { waiting } = chain;
  context.result(
    {
      folder,
      versions: chain.steps.map(({ root, sha256, signers }) => ({ ...root, sha256, signers })),
      waiting: waiting === undefined ? null : reportWaitingRoot(waiting),
    },
    [
      ...(newest === undefined ? [`no root document in '${folder}' counts yet`] : []),
      ...chain.steps.map(
        ({ root, sha256, signers }) =>
          `version ${root.version}, sha256 ${sha256.slice(0, 12)}…, signed by ${signers.join(', ')}: ${root.reason}`,
      ),
      ...(newest === undefined ? [] : describeRoot(newest.root).map((line) => `  ${line}`)),
      ...(waiting === undefined ? [] : ['', ...describeWaitingRoot(waiting, next)]),
    ],
  );
}

async function publish(context: Context): Promise<ExitCode> {
  const settings = await loadSettings(context.text('config'));
  const version = settings.roots.at(-1)?.root.version;
  if (version === undefined) {
    const { chain } = await placeOf(context);
    throw new ReleaseError('NO_ROOT', "there is nothing to publish: expected 'keys.root'", {
      hint: nextOfFirst(chain),
    });
  }
  const quorum = quorumFrom(context, settings);
  const dryRun = context.flag('dry-run');
  const lock = dryRun ? undefined : lockWorkspace(settings, 'release trust publish');
  try {
    const { rows, halts, haltProblems } = await runPublication(
      settings,
      dryRun,
      showModeFor(context.json),
    );
    const done = rows.filter(({ has }) => has).length;
    const data = { version, quorum, complete: done, dryRun, mirrors: rows };
    context.result({ ...data, halts: reportHalts(halts, haltProblems) }, [
      dryRun
        ? `dry run, nothing was changed: root document ${version} is on ${done} of ${rows.length} mirrors`
        : `root document ${version} is on ${done} of ${rows.length} mirrors`,
      ...rows.flatMap(({ name, problem }) =>
        problem === undefined ? [] : [`${name}: ${problem}`],
      ),
      ...describeHaltRuns(halts, haltProblems, dryRun),
    ]);
    if (dryRun) return ExitCode.done;
    if (done < quorum) return ExitCode.failed;
    if (haltProblems.length > 0) return ExitCode.refused;
    return done === rows.length ? ExitCode.done : ExitCode.partial;
  } finally {
    lock?.release();
  }
}

/** What is to be done where the configuration names no folder of root documents yet. */
function nextOfFirst({ steps, waiting }: RootChain): string {
  if (steps.length > 0) return CONFIGURE;
  return waiting === undefined
    ? "'release trust init' makes the first root document"
    : "'release trust show' tells whose signatures the first root document lacks";
}

type PublishedHalts = Pick<RootPublication, 'halts' | 'haltProblems'>;

async function runPublication(
  settings: Settings,
  dryRun: boolean,
  mode: ReturnType<typeof showModeFor>,
): Promise<PublishedHalts & { rows: { name: string; has: boolean; problem?: string }[] }> {
  return interruptible(async (signal) => {
    const publication = startRootPublication(settings, dryRun, signal);
    await runSteps(publishRootSteps(dryRun), publication, mode);
    const { mirrors, without, halts, haltProblems } = publication;
    const rows = mirrors.map((each) => {
      const { name } = each.mirror;
      if (each.failure !== undefined) return { name, has: false, problem: failureText(each) };
      return { name, has: dryRun ? !without.has(name) : each.indexed };
    });
    return { rows, halts, haltProblems };
  });
}

function reportHalts(
  halts: PublishedHalts['halts'],
  problems: PublishedHalts['haltProblems'],
): object {
  return {
    renewed: halts
      .filter(({ channel }) => problems.every((each) => each.channel !== channel))
      .map(({ channel, goal, draft }) => ({ channel, serial: (goal ?? draft)?.halt.serial })),
    problems: problems.map(({ channel, problem: { code, message, hint } }) => ({
      channel,
      code,
      message,
      hint,
    })),
  };
}

function describeHaltRuns(
  halts: PublishedHalts['halts'],
  problems: PublishedHalts['haltProblems'],
  dryRun: boolean,
): string[] {
  const done = halts.flatMap(({ channel, goal, draft }) => {
    const halt = (goal ?? draft)?.halt;
    if (halt === undefined || problems.some((each) => each.channel === channel)) return [];
    return [
      `channel '${channel}': ${dryRun ? 'would sign' : 'signed'} anew: ${describeHalt(halt)}`,
    ];
  });
  const open = problems.flatMap(({ channel, problem }) => [
    `channel '${channel}' is STOPPED where the halt file cannot be believed: ${problem.message}`,
    ...(problem.hint === undefined ? [] : [`  hint: ${problem.hint}`]),
  ]);
  const again = "then 'release trust publish' again, or 'release halt --renew'";
  return [...done, ...open, ...(open.length === 0 ? [] : [again])];
}

/** One at a time: what waits may be signed by somebody right now. */
function refuseWaiting({ waiting }: RootChain): void {
  if (waiting === undefined) return;
  throw new ReleaseError('EXISTS', `'${waiting.path}' waits for signatures`, {
    hint: "'release trust show' tells whose; if nobody has signed it, remove the file first",
  });
}

function describeWaitingRoot(waiting: WaitingRoot, next: string): string[] {
  const lacking = waiting.roles.filter(({ signers, threshold }) => signers.length < threshold);
  return lacking.flatMap((role) => [
    `version ${waiting.root.version} lacks signatures: ${role.signers.length} of ${role.threshold} ${role.whose}`,
    ...describeWaiting({ ...role, path: waiting.path, ignored: waiting.ignored }, next),
  ]);
}

function reportWaitingRoot({ path, root, roles, ignored }: WaitingRoot): object {
  return {
    version: root.version,
    path,
    ignored,
    roles: roles.map((role) => ({
      whose: role.whose,
      ...reportWaiting({ ...role, path, ignored: [] }),
    })),
  };
}
