/**
 * Halting a version, resuming it, and signing what is halted anew after keys were
 * replaced: the next halt file of a channel, signed,
 * on every mirror that can be reached, at once. Nothing is built and no
 * manifest changes.
 *
 * There is no quorum to wait for: a halt on one mirror reaches every node that
 * asks it. A crash leaves a halt file here, signed or not, which the same
 * command goes on with; and mirrors that have it or not.
 */
import type { Halt, Halted } from '@landfall/manifest';
import type { SecretKey } from '@landfall/minisign';
import { highestHalts, type HaltRow, type SignedHalt, surveyHalts } from '@landfall/mirrors';
import type { Settings } from './config.ts';
import {
  type DoubtedHalt,
  lookAtDoubted,
  planRenewal,
  refuseStrange,
  type Renewal,
} from './halt-doubts.ts';
import { type HaltDraft, newestHaltDraft, toHaltDraft } from './halt-drafts.ts';
import { openHaltKeys, readHaltBack, signHalt, whenAllHave, writeHalt } from './halt-publish.ts';
import { refuseUnknownHalt } from './halt-unknown.ts';
import { alive, type MirrorProgress, onEach } from './mirror-progress.ts';
import type { Show, Step } from './show.ts';
import type { Expected } from './signed.ts';
import { requireNewestRoot } from './steps/roots.ts';
import { toSeconds } from './time.ts';
import type { Waiting } from './waiting.ts';

/** What is wanted: with a reason it is to be halted, without to be resumed. */
export interface HaltWish {
  readonly version: string;
  readonly reason: string | undefined;
}

/** What is halted is to stay so, signed by today's keys; `from` says whose list where that is not plain. */
export interface RenewalWish {
  readonly from: string | undefined;
}

/** The halt file that mirrors are to have. */
export interface HaltGoal {
  readonly halt: Halt;
  readonly sha256: string;
  /** Path on the index branch → bytes, signatures first. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** What the steps of one run share; each fills in more. Whoever runs them destroys `keys`. */
export interface HaltRun {
  readonly settings: Settings;
  readonly channel: string;
  readonly channelPath: string | undefined;
  readonly expected: Expected;
  readonly mirrors: readonly MirrorProgress[];
  readonly signal: AbortSignal;
  readonly dryRun: boolean;
  rows: readonly HaltRow[];
  /** Those of `rows` that cannot be believed. */
  doubted: readonly DoubtedHalt[];
  /** What is to be signed, or goes on being. */
  draft?: HaltDraft;
  keys?: readonly SecretKey[];
  waiting?: Omit<Waiting, 'manifest'>;
  /** Undefined: there is nothing to halt or resume. */
  goal?: HaltGoal;
}

/** The whole list. */
export function haltSteps(dryRun: boolean, wish: HaltWish | RenewalWish): Step<HaltRun>[] {
  const decide: Step<HaltRun>['run'] = (run, show) =>
    'version' in wish ? decideHalt(run, wish, show) : decideRenewedHalt(run, wish, show);
  const prepare: Step<HaltRun>[] = [
    { title: 'look at all mirrors', run: lookAtHalts },
    { title: 'decide', run: decide },
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
  const { mirrors, signal, settings } = run;
  await Promise.all([
    readHalts(run),
    onEach(mirrors, 'check', signal, async ({ mirror }) => {
      await mirror.checkWritable({ signal });
    }),
  ]);
  // What a checkout from before a rotation signs, no node believes.
  await requireNewestRoot(mirrors, settings, signal);
  for (const { mirror, halt, problem } of run.rows) {
    const found = halt === undefined ? 'none' : `serial ${halt.verified.halt.serial}`;
    show.line(`${mirror.name}: ${problem === undefined ? found : problem.message}`);
  }
  show.outcome(`${alive(mirrors).length} of ${mirrors.length} can be published to`);
}

/** Asks all mirrors that can be published to for their halt file. */
export async function readHalts(run: HaltRun): Promise<void> {
  const { mirrors, signal, expected, channelPath, channel } = run;
  const rows = await surveyHalts(
    alive(mirrors).map(({ mirror }) => mirror),
    { app: expected.app, policy: expected.policy, channel: channelPath, signal },
  );
  run.rows = rows.map((row) =>
    row.halt === undefined || row.halt.verified.halt.channel === channel
      ? row
      : { mirror: row.mirror },
  );
  run.doubted = await lookAtDoubted(run, run.rows);
}

/** What replaces halt files that cannot be believed. Throws `ReleaseError` HALT_UNKNOWN where that is not plain. */
function decideRenewedHalt(run: HaltRun, { from }: RenewalWish, show: Show): void {
  const renewal = planRenewal(run, from);
  if (renewal !== undefined) return takeRenewal(run, renewal, show);
  const [only, another] = highestHalts(run.rows);
  if (only === undefined || another !== undefined)
    return show.outcome('there is nothing to sign anew');
  run.goal = toGoal(only);
  show.outcome(`serial ${run.goal.halt.serial} counts as it is`);
}

/** Makes it what is to be written, after it was signed where it must be. Throws `ReleaseError` HALT_UNKNOWN. */
export function takeRenewal(run: HaltRun, renewal: Renewal, show: Show): void {
  if ('undecided' in renewal) throw renewal.undecided;
  if ('goal' in renewal) {
    run.goal = toGoal(renewal.goal);
    return show.outcome(`as another mirror shows it, ${describeHalt(run.goal.halt)}`);
  }
  run.draft = renewal.draft;
  show.outcome(describeHalt(renewal.draft.halt));
}

function toGoal({ verified, files }: SignedHalt): HaltGoal {
  return { halt: verified.halt, sha256: verified.sha256, files };
}

/** `serial 3 halts 1.7.42`. */
export function describeHalt(halt: Halt): string {
  return `serial ${halt.serial} halts ${describeHalts(halt)}`;
}

/** What is on the mirrors, what was made here, or the next one. Throws `ReleaseError` HALT_UNKNOWN, NOT_PUBLISHED. */
async function decideHalt(run: HaltRun, wish: HaltWish, show: Show): Promise<void> {
  const { settings, channel, rows } = run;
  refuseStrange(run);
  const published = highestHalts(rows).map(toGoal);
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
  if (wish.reason !== undefined) await refuseUnknownHalt(run, wish.version);
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
  show.outcome(describeHalt(halt));
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
function describeHalts({ halted }: Halt): string {
  return halted.length === 0 ? 'nothing' : halted.map(({ version }) => version).join(' and ');
}
