/** What is halted, as it is copied: for each channel the halt file of the highest serial that a source serves. */
import { MirrorError } from '../errors.ts';
import type { Mirror } from '../mirror.ts';
import { tornHalts } from '../served-halts.ts';
import {
  highestHalts,
  type HaltRow,
  serialOf,
  type SignedHalt,
  surveyHalts,
} from '../signed-halt.ts';
import { type Goal, type GoalOptions, nameOf } from './goal.ts';
import type { Target } from './target.ts';

/** The halt file that mirrors should hold in a channel, and what each holds. */
export interface HaltGoal {
  channel: string | undefined;
  halt: SignedHalt;
  rows: readonly HaltRow[];
}

/** Throws `TrustError` EQUIVOCATION when sources serve two of one serial. */
export async function findHaltGoals(
  goals: readonly Goal[],
  { sources, targets, app, policy, signal }: Omit<GoalOptions, 'channels'>,
): Promise<HaltGoal[]> {
  const known = new Set(sources.map(({ name }) => name));
  const all: Mirror[] = [...sources, ...targets.filter(({ name }) => !known.has(name))];
  const found: HaltGoal[] = [];
  for (const { channel } of goals) {
    const rows = await surveyHalts(all, { app, policy, channel, signal });
    const highest = highestHalts(rows.filter(({ mirror }) => sources.includes(mirror)));
    if (highest.length > 1) throw tornHalts(highest);
    const [halt] = highest;
    if (halt !== undefined) found.push({ channel, halt, rows });
  }
  return found;
}

/** Notes the channels whose halt file is not the newest on `target`. Throws `MirrorError` REJECTED for one that is ahead. */
export function lookAtHalts(target: Target, goals: readonly HaltGoal[]): void {
  for (const { channel, halt, rows } of goals) {
    const found = rows.find(({ mirror }) => mirror.name === target.name)?.halt;
    if (found?.verified.sha256 === halt.verified.sha256) continue;
    if (found !== undefined && serialOf(found) > serialOf(halt)) {
      throw new MirrorError(
        'REJECTED',
        target.name,
        `is ahead of the sources with what is halted in ${nameOf(channel)}: expected serial ${serialOf(halt)} at most, found ${serialOf(found)}`,
        { hint: `bring the others to it: mirrors sync --from ${target.name}` },
      );
    }
    target.staleIn.push(`what is halted in ${nameOf(channel)}`);
  }
}

/** Whether `target` serves them now. Throws `MirrorError` BAD_ANSWER. */
export async function readHaltsBack(
  target: Target,
  goals: readonly HaltGoal[],
  { app, policy, signal }: Pick<GoalOptions, 'app' | 'policy' | 'signal'>,
): Promise<void> {
  for (const { channel, halt } of goals) {
    const [row] = await surveyHalts([target.reader], { app, policy, channel, signal });
    if (row?.halt?.verified.sha256 === halt.verified.sha256) continue;
    throw new MirrorError(
      'BAD_ANSWER',
      target.name,
      `does not serve the halt file of ${nameOf(channel)} that was written: expected serial ${serialOf(halt)}`,
      { hint: 'a cache in between may answer with an old one; run it again in a while' },
    );
  }
}
