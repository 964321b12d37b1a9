/**
 * Halt files on mirrors that do not count, because their keys were replaced or
 * they are damaged: what is known of each, and what is to take their place.
 * Nodes take nothing from a mirror that shows one.
 *
 * What was halted here goes on being halted, signed by today's keys. A list
 * that only replaced keys signed may be a thief's or a colleague's: it neither
 * counts nor is dropped until somebody says which. Changes nothing.
 */
import { type Halt, haltPath, MAX_HALT_BYTES } from '@landfall/manifest';
import {
  highestHalts,
  type HaltRow,
  type Mirror,
  readSignedHalt,
  type SignedHalt,
} from '@landfall/mirrors';
import { OtaError } from '@landfall/errors';
import { policyFor, type TrustPolicy } from '@landfall/trust';
import { collectSignatures } from './collect.ts';
import { ReleaseError } from './errors.ts';
import type { HaltRun } from './halt.ts';
import { type HaltDraft, haltDrafts, toHaltDraft } from './halt-drafts.ts';
import { orNothing } from './known.ts';
import { toSeconds } from './time.ts';

const DEADLINE_MS = 15_000;
/** `--from here`: what was made here, whatever mirrors show. */
export const HERE = 'here';
/** A thief's serial may be as high as numbers go; ours need not follow it there. */
const MAX_FOLLOWED = 1e9;
/** So many halts are spelled out in a message. */
const SHOWN = 5;

/** A halt file on a mirror that cannot be believed. */
export interface DoubtedHalt {
  readonly mirror: Mirror;
  /** Its serial, where the same bytes were made here. */
  readonly ours?: number;
  /** What it says, where keys of an earlier root document signed it and it was not made here. */
  readonly earlier?: Halt;
}

/** What is to be where halt files cannot be believed. */
export type Renewal = { goal: SignedHalt } | { draft: HaltDraft } | { undecided: ReleaseError };

type Channel = Pick<HaltRun, 'settings' | 'channel' | 'channelPath' | 'expected' | 'signal'>;

/** Looks closer at those that could be read, and not believed. */
export async function lookAtDoubted(
  channel: Channel,
  rows: readonly HaltRow[],
): Promise<DoubtedHalt[]> {
  const doubted = rows.filter(({ problem }) =>
    ['UNTRUSTED', 'HALT_INVALID'].includes(problem?.code ?? ''),
  );
  return Promise.all(doubted.map(({ mirror }) => lookCloser(channel, mirror)));
}

async function lookCloser(of: Channel, mirror: Mirror): Promise<DoubtedHalt> {
  const { settings, channel, channelPath, expected, signal } = of;
  const limits = { maxBytes: MAX_HALT_BYTES, deadlineMs: DEADLINE_MS, signal };
  const bytes = await mirror.readIndex(haltPath(channelPath), limits).catch(orNothing(signal));
  if (bytes === undefined) return { mirror };
  for (const draft of haltDrafts(settings, channel)) {
    if (Buffer.from(bytes).equals(draft.bytes)) return { mirror, ours: draft.halt.serial };
  }
  for (const policy of earlierPolicies(of)) {
    const given = { app: expected.app, policy, channel: channelPath, signal };
    const found = await readSignedHalt(mirror, given).catch(orNothing(signal));
    if (found?.verified.halt.channel !== channel) continue;
    return { mirror, earlier: found.verified.halt };
  }
  return { mirror };
}

/** Who might sign for the channel before, newest first. */
function earlierPolicies({
  settings,
  channel,
}: Pick<Channel, 'settings' | 'channel'>): TrustPolicy[] {
  return settings.roots
    .slice(0, -1)
    .toReversed()
    .flatMap(({ root }) => {
      try {
        return [policyFor(root, channel)];
      } catch (error) {
        // A channel that nobody might sign then.
        if (error instanceof OtaError) return [];
        throw error;
      }
    });
}

/**
 * What takes their place; undefined when every halt file counts. `from` is a
 * mirror whose list is taken over as well, or `HERE`. Throws `ManifestError`, `ReleaseError` DAMAGED.
 */
export function planRenewal(run: HaltRun, from?: string): Renewal | undefined {
  const { rows, doubted } = run;
  if (doubted.length === 0) return undefined;
  const [believed, another] = highestHalts(rows);
  if (believed !== undefined && another !== undefined) return { undecided: torn(run) };
  const here = madeHere(run);
  const known = believed?.verified.halt.serial ?? here.finished?.halt.serial ?? 0;
  const strange = from === undefined ? strangest(doubted, known) : undefined;
  if (strange !== undefined) return { undecided: strangeHalt(run, strange, here.lists) };
  const taken = from === undefined || from === HERE ? undefined : listOn(run, from);
  if (taken === undefined && believed !== undefined) return { goal: believed };
  if (from === undefined && here.newest === undefined) return { undecided: unknownHalt(run) };
  const lists = believed === undefined ? here.lists : [believed.verified.halt];
  return { draft: renewed(run, taken === undefined ? lists : [...lists, taken], here) };
}

/** Lists that only replaced keys signed are not dropped in passing. Throws `ReleaseError` HALT_UNKNOWN. */
export function refuseStrange(run: HaltRun): void {
  if (highestHalts(run.rows).length > 0) return;
  const { finished, lists } = madeHere(run);
  const strange = strangest(run.doubted, finished?.halt.serial ?? 0);
  if (strange !== undefined) throw strangeHalt(run, strange, lists);
}

/** The list of the highest serial that is neither ours nor superseded by what is known. */
function strangest(
  doubted: readonly DoubtedHalt[],
  known: number,
): (DoubtedHalt & { earlier: Halt }) | undefined {
  return doubted
    .flatMap((each) => (each.earlier === undefined ? [] : [{ ...each, earlier: each.earlier }]))
    .filter(({ earlier }) => earlier.serial >= known)
    .toSorted((a, b) => b.earlier.serial - a.earlier.serial)[0];
}

interface MadeHere {
  newest: HaltDraft | undefined;
  /** The newest that may have been published. */
  finished: HaltDraft | undefined;
  /** No mirror shows the newest with signatures that do not count: it can be gone on with as it is. */
  isOpen: boolean;
  /** What they halt together: a resumption that was not finished takes nothing back. */
  lists: readonly Halt[];
}

function isBy({ path, bytes }: HaltDraft, policy: TrustPolicy): boolean {
  return collectSignatures(path, bytes, policy).signers.length >= policy.threshold;
}

function madeHere(run: HaltRun): MadeHere {
  const { settings, channel, expected, doubted } = run;
  const earlier = earlierPolicies(run);
  const isShown = ({ halt }: HaltDraft): boolean =>
    doubted.some(({ ours }) => ours === halt.serial);
  let newest: HaltDraft | undefined;
  let isOpen = true;
  for (const each of haltDrafts(settings, channel)) {
    const isOurs = isBy(each, expected.policy);
    if (newest === undefined) isOpen = isOurs || !isShown(each);
    newest ??= each;
    if (!isOurs && !isShown(each) && !earlier.some((policy) => isBy(each, policy))) continue;
    const lists = newest === each ? [each.halt] : [each.halt, newest.halt];
    return { newest, finished: each, isOpen, lists };
  }
  const lists = newest === undefined ? [] : [newest.halt];
  return { newest, finished: undefined, isOpen, lists };
}

/** The list that goes on: one that was begun here if it says so, else the next. */
function renewed(run: HaltRun, lists: readonly Halt[], { newest, isOpen }: MadeHere): HaltDraft {
  const { settings, channel, doubted, rows } = run;
  const halted = [
    ...new Map(lists.flatMap((list) => list.halted.map((each) => [each.version, each]))).values(),
  ];
  const believed = highestHalts(rows)[0]?.verified.halt.serial ?? 0;
  const shown = doubted.map(({ earlier }) => Math.min(earlier?.serial ?? 0, MAX_FOLLOWED));
  const top = Math.max(believed, ...shown);
  const begun = new Set(isOpen ? newest?.halt.halted.map(({ version }) => version) : []);
  const isSame = halted.length === begun.size && halted.every(({ version }) => begun.has(version));
  const last = newest?.halt.serial ?? 0;
  if (isOpen && newest !== undefined && isSame && last >= top) return newest;
  const serial = Math.max(last, top) + 1;
  const published = toSeconds(new Date());
  const { app } = settings;
  const halt: Halt = { schema: 1, kind: 'halt', app, channel, serial, published, halted };
  return toHaltDraft(settings, halt);
}

/** What a mirror's list says, to be taken over. Undefined for one that was made here. */
function listOn({ doubted }: HaltRun, name: string): Halt | undefined {
  const found = doubted.find(({ mirror }) => mirror.name === name);
  if (found?.ours !== undefined) return undefined;
  if (found?.earlier !== undefined) return found.earlier;
  throw new ReleaseError(
    'HALT_UNKNOWN',
    `mirror '${name}': shows no halt file that could be taken over: expected one that replaced keys signed`,
    { hint: `'--from ${HERE}' goes on with what was made here` },
  );
}

function strangeHalt(
  run: HaltRun,
  { mirror: { name }, earlier }: DoubtedHalt & { earlier: Halt },
  lists: readonly Halt[],
): ReleaseError {
  const there = describeLists([earlier]);
  return new ReleaseError(
    'HALT_UNKNOWN',
    `mirror '${name}': nodes take nothing from it: its halt file (serial ${earlier.serial}, halts ${there}) is signed by replaced keys only, and was not made here`,
    {
      hint: `if it is right: ${commandFor(run, name)} (halts ${describeLists([...lists, earlier])}); if a thief made it: ${commandFor(run, HERE)} (halts ${describeLists(lists)})`,
    },
  );
}

function unknownHalt(run: HaltRun): ReleaseError {
  const { mirror } = run.doubted[0] ?? {};
  return new ReleaseError(
    'HALT_UNKNOWN',
    `mirror '${mirror?.name}': nodes take nothing from it: its halt file is damaged, or signed by nobody who ever counted, and none that is right is here or on another mirror`,
    {
      hint: `find out what is to stay halted; this puts a list there that halts nothing: ${commandFor(run, HERE)}`,
    },
  );
}

function torn({ rows }: HaltRun): ReleaseError {
  const all = highestHalts(rows);
  return new ReleaseError(
    'HALT_UNKNOWN',
    `${all.length} different halt files have serial ${all[0]?.verified.halt.serial}, all validly signed`,
    {
      hint: "find out who signed which; the next 'release halt' or 'release resume' takes their place",
    },
  );
}

/** The command that decides. */
function commandFor({ channel, channelPath }: HaltRun, from: string): string {
  const where = channelPath === undefined ? '' : ` --channel ${channel}`;
  return `release halt --renew --from ${from}${where}`;
}

function describeLists(lists: readonly Halt[]): string {
  const all = lists.flatMap(({ halted }) =>
    halted.map(({ version, reason }) => `${version} '${reason}'`),
  );
  const different = [...new Set(all)];
  if (different.length === 0) return 'nothing';
  const more = different.length > SHOWN ? ` and ${different.length - SHOWN} more` : '';
  return `${different.slice(0, SHOWN).join(', ')}${more}`;
}
