/**
 * Halting a version, and resuming it: the next halt file of a channel, signed,
 * on every mirror that can be reached, at once. Nothing is built and no
 * manifest changes.
 *
 * There is no quorum to wait for: a halt on one mirror reaches every node that
 * asks it. A crash leaves a halt file here, signed or not, which the same
 * command goes on with; and mirrors that have it or not.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { crashPoint } from '@landfall/cli';
import { type Halt, type Halted, haltPath } from '@landfall/manifest';
import type { SecretKey } from '@landfall/minisign';
import { highestHalts, type HaltRow, prepareIndexUpdate, surveyHalts } from '@landfall/mirrors';
import { verifyHalt } from '@landfall/trust';
import { addSignature, collectSignatures, hasSigned } from './collect.ts';
import type { Settings } from './config.ts';
import { ReleaseError } from './errors.ts';
import {
  haltComment,
  type HaltDraft,
  newestHaltDraft,
  toHaltDraft,
  writeHaltDraft,
} from './halt-drafts.ts';
import { openKeys } from './keys.ts';
import { alive, failureText, type MirrorProgress, onEach } from './mirror-progress.ts';
import type { Show, Step } from './show.ts';
import type { Expected } from './signed.ts';
import { otherChannels, requireOtherChannels } from './steps/other-channels.ts';
import { toSeconds } from './time.ts';
import { describeCount, type Waiting } from './waiting.ts';
import { workspaceOf } from './workspace.ts';

/** What is wanted: with a reason it is to be halted, without to be resumed. */
export interface HaltWish {
  readonly version: string;
  readonly reason: string | undefined;
}

/** The halt file that mirrors are to have. */
export interface HaltGoal {
  readonly halt: Halt;
  readonly sha256: string;
  /** Path on the index branch → bytes, signatures first. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

export interface HaltRun {
  readonly settings: Settings;
  readonly channel: string;
  readonly channelPath: string | undefined;
  readonly expected: Expected;
  readonly mirrors: readonly MirrorProgress[];
  readonly signal: AbortSignal;
  readonly dryRun: boolean;
  readonly wish: HaltWish;
  rows: readonly HaltRow[];
  /** What is to be signed, or goes on being. */
  draft?: HaltDraft;
  keys?: readonly SecretKey[];
  waiting?: Omit<Waiting, 'manifest'>;
  /** Undefined: there is nothing to halt or resume. */
  goal?: HaltGoal;
}

/** The whole list. */
export function haltSteps(dryRun: boolean): Step<HaltRun>[] {
  const prepare: Step<HaltRun>[] = [
    { title: 'look at all mirrors', run: lookAtHalts },
    { title: 'decide', run: decideHalt },
  ];
  if (dryRun) return prepare;
  const hasGoal = ({ goal }: HaltRun): boolean => goal !== undefined;
  return [
    ...prepare,
    { title: 'open the keys', when: isSigning, run: openHaltKeys, asks: true },
    { title: 'sign', when: isSigning, run: signHalt },
    { title: 'write', when: hasGoal, skip: whenAllHave, run: writeHalt },
    { title: 'read back', when: hasGoal, run: readHaltBack },
  ];
}

const isSigning = ({ draft }: HaltRun): boolean => draft !== undefined;

async function lookAtHalts(run: HaltRun, show: Show): Promise<void> {
  const { mirrors, signal, expected, channelPath, channel } = run;
  const [rows] = await Promise.all([
    surveyHalts(
      mirrors.map(({ mirror }) => mirror),
      { app: expected.app, policy: expected.policy, channel: channelPath, signal },
    ),
    onEach(mirrors, 'check', signal, async ({ mirror }) => {
      await mirror.checkWritable({ signal });
    }),
  ]);
  run.rows = rows.map((row) =>
    row.halt === undefined || row.halt.verified.halt.channel === channel
      ? row
      : { mirror: row.mirror },
  );
  for (const { mirror, halt, problem } of run.rows) {
    const found = halt === undefined ? 'none' : `serial ${halt.verified.halt.serial}`;
    show.line(`${mirror.name}: ${problem === undefined ? found : problem.message}`);
  }
  show.outcome(`${alive(mirrors).length} of ${mirrors.length} can be published to`);
}

/** What is on the mirrors, what was made here, or the next one. */
function decideHalt(run: HaltRun, show: Show): void {
  const { settings, channel, wish, rows } = run;
  const published = highestHalts(rows).map((each) => ({ ...each.verified, files: each.files }));
  const serial = published[0]?.halt.serial ?? 0;
  const newest = newestHaltDraft(settings, channel);
  const made = newest !== undefined && newest.halt.serial > serial ? newest : undefined;
  const isSo = ({ halt }: { halt: Halt }): boolean => isWish(halt, wish);
  // Without a halt of it that is out there is nothing to resume, and another's halt is not this command's.
  const isBegun = wish.reason !== undefined || !published.every(isSo);
  if (made !== undefined && isSo(made) && isBegun) {
    run.draft = made;
    return show.outcome(`go on with serial ${made.halt.serial}, made here`);
  }
  const [only, another] = published;
  if (
    only !== undefined &&
    another === undefined &&
    isSo(only) &&
    (made === undefined || isSo(made))
  ) {
    run.goal = only;
    return show.outcome(`serial ${serial} says so already`);
  }
  const base = made === undefined ? published : [made];
  if (wish.reason === undefined && base.every(isSo))
    return show.outcome('there is nothing to resume');
  if (another !== undefined) {
    show.line(`different halt files have serial ${serial}: this one takes their place`);
  }
  const halt: Halt = {
    schema: 1,
    kind: 'halt',
    app: settings.app,
    channel,
    serial: Math.max(serial, newest?.halt.serial ?? 0) + 1,
    published: toSeconds(new Date()),
    halted: nextHalted(
      base.map((each) => each.halt),
      wish,
    ),
  };
  run.draft = toHaltDraft(settings, halt);
  show.outcome(`serial ${halt.serial} halts ${describeHalts(halt)}`);
}

/** Whether a halt file says what is wanted. */
function isWish({ halted }: Halt, { version, reason }: HaltWish): boolean {
  return halted.some((each) => each.version === version) === (reason !== undefined);
}

function nextHalted(base: readonly Halt[], { version, reason }: HaltWish): Halted[] {
  const all = new Map(base.flatMap(({ halted }) => halted.map((each) => [each.version, each])));
  const others = [...all.values()].filter((each) => each.version !== version);
  if (reason === undefined) return others;
  return [...others, { version, reason, at: toSeconds(new Date()) }];
}

/** `1.7.41 and 1.7.42`, or `nothing`. */
export function describeHalts({ halted }: Halt): string {
  return halted.length === 0 ? 'nothing' : halted.map(({ version }) => version).join(' and ');
}

async function openHaltKeys(run: HaltRun, show: Show): Promise<void> {
  const { settings, expected, draft } = run;
  const begun = draft !== undefined && existsSync(draft.path) ? draft : undefined;
  const { keys, notes } = await openKeys({ settings, expected, draft: begun });
  run.keys = keys;
  for (const note of notes) show.line(note);
  show.outcome(`${keys.length} opened`);
}

function signHalt(run: HaltRun, show: Show): void {
  const { draft, keys = [], expected, channelPath } = run;
  if (draft === undefined) return;
  const { path, bytes, halt } = draft;
  const { policy } = expected;
  writeHaltDraft(draft);
  const before = collectSignatures(path, bytes, policy);
  for (const key of keys) {
    if (!hasSigned(before.signers, key.publicKey))
      addSignature(path, bytes, key, haltComment(halt));
  }
  const { signers, missing, ignored, signatures } = collectSignatures(path, bytes, policy);
  const { threshold } = policy;
  if (signers.length < threshold) {
    run.waiting = { path, threshold, signers, missing, ignored };
    return show.outcome(`serial ${halt.serial}, ${describeCount(run.waiting)}`);
  }
  const { sha256 } = verifyHalt(bytes, [...signatures.values()], policy, expected);
  const at = haltPath(channelPath);
  const files = new Map([...signatures].map(([ending, text]) => [`${at}${ending}`, encode(text)]));
  run.goal = { halt, sha256, files: files.set(at, bytes) };
  show.outcome(`serial ${halt.serial}, ${signers.length} of ${threshold} needed`);
}

function lacking({ mirrors, rows, goal }: HaltRun): MirrorProgress[] {
  return alive(mirrors).filter(
    ({ mirror }) =>
      !rows.some((row) => row.mirror === mirror && row.halt?.verified.sha256 === goal?.sha256),
  );
}

function whenAllHave(run: HaltRun): string | undefined {
  return lacking(run).length === 0 ? 'every mirror has it' : undefined;
}

async function writeHalt(run: HaltRun, show: Show): Promise<void> {
  const { mirrors, settings, signal, goal, channel } = run;
  if (goal === undefined) return;
  const todo = lacking(run);
  const update = await prepareIndexUpdate({
    mirrors: alive(mirrors).map(({ mirror }) => mirror),
    files: goal.files,
    message: `Halts of ${settings.app} (channel ${channel}, serial ${goal.halt.serial})\n`,
    date: goal.halt.published,
    repository: join(workspaceOf(settings), 'index.git'),
    signal,
  });
  const others = await otherChannels(update, settings, undefined);
  await onEach(todo, 'write', signal, async ({ mirror }) => {
    await requireOtherChannels(mirror, others, signal);
    await mirror.writeIndex(update, { signal });
    crashPoint('halt-published');
    show.live(mirror.name, 'written');
  });
  show.outcome(`to ${alive(todo).length}`);
}

/** As a stranger finds it. */
async function readHaltBack(run: HaltRun, show: Show): Promise<void> {
  const { mirrors, signal, goal, expected, channelPath } = run;
  await onEach(mirrors, 'read back', signal, async (progress) => {
    const { mirror } = progress;
    const { app, policy } = expected;
    const [row] = await surveyHalts([mirror], { app, policy, channel: channelPath, signal });
    if (row?.problem !== undefined) throw row.problem;
    if (row?.halt?.verified.sha256 !== goal?.sha256) {
      throw new ReleaseError(
        'READ_BACK',
        `mirror '${mirror.name}': does not serve the halt file that was written: expected serial ${goal?.halt.serial}, found ${row?.halt?.verified.halt.serial ?? 'none'}`,
        { hint: 'a cache in between may answer with an old one; run it again in a while' },
      );
    }
    progress.indexed = true;
  });
  for (const each of mirrors) {
    if (each.failure !== undefined) show.line(`${each.mirror.name}: ${failureText(each)}`);
  }
  show.outcome(`${mirrors.filter(({ indexed }) => indexed).length} of ${mirrors.length}`);
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
