/**
 * What to do about a node: one sentence, and one command where there is one.
 * What keeps it from settling comes before what keeps it from updating. Pure.
 */
import { formatDuration } from '@landfall/cli';
import { PACE_CODES } from '../offer.ts';
import { RESTORE } from '../restore.ts';
import { runsNewest } from './standing.ts';
import type { StatusView } from './view.ts';

/** One sentence, without a full stop, and the command that it comes to. */
export interface Advice {
  what: string;
  command?: string;
}

/** Longer than this nobody has looked at the mirrors: the timer is not on. */
const QUIET_MS = 2 * 86_400_000;

/** What is most pressing at `now`; that nothing is to be done is an advice, too. */
export function adviceFor(view: Omit<StatusView, 'advice'>, now: Date): Advice {
  return (
    unsettled(view) ??
    paused(view) ??
    withoutMirrors(view, now) ??
    unasked(view, now) ??
    afterFailure(view) ??
    notUpdating(view)
  );
}

/** Something is broken or unfinished here. */
function unsettled(view: Omit<StatusView, 'advice'>): Advice | undefined {
  const { corrupt, atWork, inProgress, stopped, lost, drift, heal, folders, adoption } = view;
  const [file] = corrupt;
  if (atWork?.stopped === true) {
    return { what: 'let the updater that is stopped go on', command: `kill -CONT ${atWork.pid}` };
  }
  if (atWork !== null) return { what: 'wait: an updater is at work' };
  if (file !== undefined) {
    return {
      what: 'look at what is corrupt, then put it away',
      command: `mv ${file.kept} /root/`,
    };
  }
  if (adoption === 'corrupt') {
    return { what: `look at adoption.json in ${folders.state}, then put it away` };
  }
  if (adoption !== null) {
    return { what: 'go on with the adoption (or --undo it)', command: 'updater adopt' };
  }
  if (inProgress !== null) {
    return { what: 'finish what was begun', command: 'updater verify' };
  }
  if (stopped !== null) return { what: 'start what was stopped', command: 'updater verify' };
  if (lost !== null) return { what: 'bring back what is gone', command: 'updater once' };
  if (drift !== null) {
    return { what: 'take what somebody pointed to as what runs', command: 'updater verify' };
  }
  if (heal !== null && heal.problems.length > 0) {
    return { what: 'bring the files back', command: 'updater heal' };
  }
  return view.state.name === 'degraded'
    ? {
        what: `look at the web server, its services and ${folders.logs}; then probe again`,
        command: 'updater verify',
      }
    : undefined;
}

/** It is settled, and a person is to decide whether it stays so. */
function paused(view: Omit<StatusView, 'advice'>): Advice | undefined {
  const { snapshotOffered, running, held, halted } = view;
  if (snapshotOffered !== null) {
    return { what: 'if the data suffered, bring it back', command: RESTORE };
  }
  if (held !== null) return { what: 'nothing, or lift the hold', command: 'updater unhold' };
  if (halted !== null) {
    const what = 'wait for word of the maintainer, who halted what runs';
    const back = { command: `updater rollback --reason 'it was halted'` };
    return running?.previous === undefined ? { what } : { what: `${what}; or go back`, ...back };
  }
  return undefined;
}

/** No release can come. */
function withoutMirrors({ lastCheck }: Omit<StatusView, 'advice'>, now: Date): Advice | undefined {
  const { failing, at } = lastCheck ?? {};
  if (failing === undefined || at === undefined || quietFor(at, now) > QUIET_MS) return undefined;
  const how = failing.hint === undefined ? '' : ` (${failing.hint})`;
  return { what: `look at the mirrors${how}, then ask again`, command: 'updater once' };
}

/** Nothing is taken by itself where nobody asks. */
function unasked(
  { lastCheck, running }: Omit<StatusView, 'advice'>,
  now: Date,
): Advice | undefined {
  if (lastCheck === null || running === null) return undefined;
  const quiet = quietFor(lastCheck.at, now);
  if (quiet <= QUIET_MS) return undefined;
  return {
    what: `nobody asked the mirrors for ${formatDuration(quiet)}; see whether the timer is on, and ask`,
    command: 'updater once',
  };
}

function quietFor(at: string, now: Date): number {
  return now.getTime() - Date.parse(at);
}

/** It is settled, on something else than what was wanted. */
function afterFailure(view: Omit<StatusView, 'advice'>): Advice | undefined {
  const { state, running, waits } = view;
  const wait = waits.find((each) => each.version === view.lastCheck?.newest?.version);
  if (wait !== undefined) {
    return { what: 'correct that, or wait', command: `updater apply ${wait.version}` };
  }
  if (state.name === 'rolled-back' && running === null) {
    // Nothing ever passed here: the node is as likely to be at fault as the release.
    const { version } = state.failed;
    const again = (view.lastCheck?.newest?.version ?? version) === version;
    return {
      what: 'look at the web server, its root and [probe] (if it is none of them, tell the maintainer); then try again',
      command: again ? `updater apply ${version} --lift-quarantine` : 'updater apply',
    };
  }
  if (state.name === 'rolled-back') {
    const what = 'tell the maintainer why; a newer release is taken by itself';
    return { what, command: 'updater history' };
  }
  if (running === null && view.refusal === null) {
    return { what: 'install the first release', command: 'updater apply' };
  }
  return undefined;
}

/** It runs what it should; what about the next release? */
function notUpdating({ lastCheck, running, refusal }: Omit<StatusView, 'advice'>): Advice {
  if (lastCheck === null) {
    // Not `check`, which writes nothing down: the advice would be the same afterwards.
    return {
      what: 'see whether the timer is on, and ask the mirrors',
      command: 'updater once',
    };
  }
  const { newest, warnings } = lastCheck;
  const nothing: Advice = { what: 'nothing: the next release is taken by itself' };
  const [odd] = warnings ?? [];
  const isQuiet = refusal === null || refusal.code === 'up-to-date';
  if (odd !== undefined && isQuiet) return { what: odd.hint };
  if (refusal === null) {
    const isOther = newest !== undefined && !runsNewest({ lastCheck, running });
    return isOther ? { what: 'install it now', command: 'updater apply' } : nothing;
  }
  if (refusal.code === 'up-to-date') return nothing;
  if (refusal.code === 'in-probation' || PACE_CODES.some((code) => code === refusal.code)) {
    return {
      what: 'nothing, or take it now',
      command: `updater apply ${newest?.version ?? ''}`.trim(),
    };
  }
  if (refusal.hint !== undefined) return { what: refusal.hint };
  return { what: 'see what the mirrors say', command: 'updater check' };
}
