/**
 * Halt files are looked at before an index moves: after keys were replaced,
 * nodes take nothing from a mirror whose halt file only the old ones signed.
 * What was halted here is signed anew in passing; a mirror for which people
 * must decide is left out, so that too few mirrors refuse the publication.
 */
import { ReleaseError } from '../errors.ts';
import { describeHalt, type HaltRun, readHalts, takeRenewal } from '../halt.ts';
import { planRenewal } from '../halt-doubts.ts';
import { openHaltKeys, readHaltBack, signHalt, writeHalt } from '../halt-publish.ts';
import { alive, fail, type MirrorProgress, startProgress } from '../mirror-progress.ts';
import type { Show } from '../show.ts';
import { describeCount, describeWaiting } from '../waiting.ts';

/** What is renewed beside something else, with a progress of its own. */
export function startHaltRun(
  of: Pick<HaltRun, 'settings' | 'channel' | 'channelPath' | 'expected' | 'signal' | 'dryRun'>,
  mirrors: readonly MirrorProgress[],
): HaltRun {
  const { settings, channel, channelPath, expected, signal, dryRun } = of;
  const own = startProgress(alive(mirrors).map(({ mirror }) => mirror));
  const common = { settings, channel, channelPath, expected, signal, dryRun };
  return { ...common, mirrors: own, rows: [], doubted: [] };
}

/**
 * Whether halt files must be signed anew, or written from another mirror.
 * Throws `ReleaseError` HALT_UNKNOWN where people must decide what stays halted.
 */
export async function needsRenewal(run: HaltRun, show: Show): Promise<boolean> {
  await readHalts(run);
  const renewal = planRenewal(run);
  if (renewal === undefined) return false;
  const names = run.doubted.map(({ mirror }) => mirror.name).join(', ');
  takeRenewal(run, renewal, { ...show, outcome: () => {} });
  const halt = run.goal?.halt ?? run.draft?.halt;
  const what = halt === undefined ? '' : `; in its place: ${describeHalt(halt)}`;
  show.line(`note: nodes do not believe the halt file of ${names}${what}`);
  return true;
}

/**
 * Does it. Mirrors that cannot be written to have failed in `run`. Throws
 * `ReleaseError` HALT_WAITS when others must sign, and what `openKeys` throws.
 */
export async function renewHalt(run: HaltRun, show: Show): Promise<void> {
  if (run.draft !== undefined) {
    try {
      await openHaltKeys(run, show);
      signHalt(run, show);
    } finally {
      for (const key of run.keys ?? []) key.destroy();
    }
  }
  const { waiting, goal, channel, channelPath } = run;
  if (waiting !== undefined) {
    const where = channelPath === undefined ? '' : ` --channel ${channel}`;
    const command = `release halt --renew${where}`;
    for (const line of describeWaiting(waiting, `this again, or ${command}`)) show.line(line);
    throw new ReleaseError(
      'HALT_WAITS',
      `nodes take nothing from mirrors until the halt file of channel '${channel}' is signed anew: it ${describeCount(waiting)}`,
      { hint: `'${command}' tells who may still sign '${waiting.path}'` },
    );
  }
  if (goal === undefined) return;
  await writeHalt(run, show);
  await readHaltBack(run, show);
  show.outcome(describeHalt(goal.halt));
}

/** What failed in `run` has failed for `mirrors` too. */
export function carryFailures(run: HaltRun, mirrors: readonly MirrorProgress[]): void {
  for (const { mirror, failure } of run.mirrors) {
    const same = mirrors.find((each) => each.mirror === mirror);
    if (failure !== undefined && same !== undefined) fail(same, failure.doing, failure.error);
  }
}
