/**
 * Transitions from finding a release to committing it. Pure, as `machine.ts` is.
 * Nothing here goes back by itself: that is `back.ts`.
 */
import { acceptance, MAX_ATTEMPTS, type Running } from './facts.ts';
import {
  leave,
  leaveForGolden,
  leaveGone,
  markerOf,
  misfit,
  rollBackByHand,
  yieldToOperator,
} from './back.ts';
import type {
  Available,
  Committed,
  Degraded,
  Effect,
  Event,
  PendingVerification,
  Probation,
  Refusal,
  Resting,
  Staged,
  Step,
} from './machine.ts';

/** Every event while nothing is in progress. */
export function nextAtRest(state: Resting, event: Event): Step | Refusal {
  if (event.name === 'found') {
    const from = state.running?.deployment;
    if (from?.id === event.to.id) return { refused: `'${event.to.id}' runs already` };
    return {
      state: { name: 'available', rest: state, to: event.to },
      effects: [{ kind: 'preflight', from, to: event.to }],
    };
  }
  if (event.name === 'rollback-asked') return rollBackByHand(state.running, event);
  if (event.name === 'gone') return leaveGone(state.running, event);
  if (event.name === 'last-resort') return leaveForGolden(state, event);
  if (event.name === 'probed' && state.name === 'degraded') {
    const after = judgeDegraded(state, event);
    return { state: after, effects: [{ kind: 'save-state', state: after }] };
  }
  // Locked out: a release that was committed is not left because of what happens later.
  if (event.name === 'service-failed' || event.name === 'crash-looped') {
    return { state, effects: [] };
  }
  return misfit(state, event);
}

function judgeDegraded(state: Degraded, event: Event & { name: 'probed' }): Resting {
  const { outcome, at } = event;
  const { failed, reason, golden } = state;
  if (outcome.rank !== 'healthy') return { ...state, reason: outcome.reason };
  const running = { ...state.running, proof: { ...outcome, at, accepted: 'healthy' as const } };
  // With nowhere to go, what failed stayed: it is what passes now.
  const isSame = failed?.id === running.deployment.id;
  if (failed === undefined || isSame) return { name: 'committed', running };
  return { name: 'rolled-back', running, failed, reason, golden };
}

/** Every event between finding a release and the marker: what runs is not touched. */
export function nextBeforeMarker(state: Available | Staged, event: Event): Step | Refusal {
  const { rest, to } = state;
  if (event.name === 'abandoned') {
    const { reason, artifact } = event;
    const kept: Effect =
      artifact === undefined
        ? { kind: 'postpone', deployment: to, reason }
        : { kind: 'quarantine', deployment: to, reason, artifact };
    return { state: rest, effects: [kept, { kind: 'tidy' }] };
  }
  if (state.name === 'available' && event.name === 'cleared') {
    const effects: Effect[] = [{ kind: 'stage', to }];
    return { state: { ...state, baseline: event.baseline }, effects };
  }
  if (state.name === 'available' && event.name === 'staged') {
    return { state: { ...state, name: 'staged' }, effects: [] };
  }
  if (state.name === 'staged' && event.name === 'activate') {
    const pending: PendingVerification = {
      name: 'pending-verification',
      rest,
      from: rest.running?.deployment,
      to,
      phase: 'prepared',
      attempt: 1,
      baseline: state.baseline,
    };
    const { despiteHold, atAnyTime } = event;
    return { state: pending, effects: [{ ...markerOf(pending), despiteHold, atAnyTime }] };
  }
  return misfit(state, event);
}

/** Every event while the marker says that a verdict is due. */
export function nextPending(state: PendingVerification, event: Event): Step | Refusal {
  const { phase, to } = state;
  if (event.name === 'resumed') return resumePending(state, event);
  if (event.name === 'failed') {
    if (phase === 'prepared') {
      const postponed: Effect = { kind: 'postpone', deployment: to, reason: event.reason };
      return undo(state, [{ kind: 'switch', to: state.from }, postponed]);
    }
    return leave(state, event.reason, 'node');
  }
  // Nothing was changed; what is on the disk is taken when the hold is over.
  if (phase === 'prepared' && event.name === 'held') return { state: state.rest, effects: [] };
  if (phase === 'prepared' && event.name === 'marked') {
    const { from } = state;
    return {
      state,
      effects: [{ kind: 'quiesce' }, { kind: 'snapshot', from, to }, { kind: 'switch', to }],
    };
  }
  if (phase === 'prepared' && event.name === 'switched') return restart(state);
  if (phase === 'switched' && event.name === 'restart-failed') {
    return leave(state, event.reason, event.blame ?? 'release');
  }
  if (phase === 'switched' && event.name === 'restarted') return verify(state);
  if (phase === 'restarted' && event.name === 'probed') return judge(state, event);
  // In phase `prepared` it may be the old release that it happened to.
  if (phase !== 'prepared' && event.name === 'service-failed') {
    return leave(state, reasonOfService(event), 'release');
  }
  return misfit(state, event);
}

function resumePending(
  state: PendingVerification,
  event: Event & { name: 'resumed' },
): Step | Refusal {
  const { from, to, phase } = state;
  const { current } = event;
  if (current !== undefined && current.id !== from?.id && current.id !== to.id) {
    return yieldToOperator(current, event.at);
  }
  if (phase === 'prepared' && current?.id === from?.id) return undo(state, []);
  const resumed = { ...state, attempt: state.attempt + 1 };
  if (current?.id !== to.id) {
    return leave(resumed, `'current' did not point at ${to.version} any more`, 'node');
  }
  if (resumed.attempt > MAX_ATTEMPTS) {
    return leave(resumed, `no verdict after ${MAX_ATTEMPTS} attempts`, 'release');
  }
  if (!event.toWhole) return leave(resumed, `${to.version} is damaged on the disk`, 'node');
  return phase === 'restarted' ? verify(resumed) : restart(resumed);
}

function undo(state: PendingVerification, first: Effect[]): Step {
  return {
    state: state.rest,
    effects: [...first, { kind: 'unquiesce' }, { kind: 'remove-marker' }, { kind: 'tidy' }],
  };
}

function restart(state: PendingVerification): Step {
  const switched: PendingVerification = { ...state, phase: 'switched' };
  return {
    state: switched,
    effects: [markerOf(switched), { kind: 'restart-services', deployment: state.to }],
  };
}

function verify(state: PendingVerification): Step {
  const restarted: PendingVerification = { ...state, phase: 'restarted' };
  return {
    state: restarted,
    effects: [markerOf(restarted), { kind: 'probe', deployment: state.to }],
  };
}

function judge(state: PendingVerification, event: Event & { name: 'probed' }): Step {
  const { from: previous, to: deployment, baseline } = state;
  const { outcome, at, until } = event;
  const accepted = acceptance(outcome, baseline);
  if (accepted === undefined) return leave(state, outcome.reason, 'release');
  const probation: Probation = {
    name: 'probation',
    running: { deployment, since: at, proof: { ...outcome, at, accepted }, previous },
    baseline,
    until,
  };
  return {
    state: probation,
    effects: [
      { kind: 'watch', deployment },
      { kind: 'save-state', state: probation },
      { kind: 'remove-marker' },
      { kind: 'tidy' },
    ],
  };
}

/** Every event while a release that passed is watched. */
export function nextProbation(state: Probation, event: Event): Step | Refusal {
  const { running } = state;
  switch (event.name) {
    case 'probation-over':
      return commit(state, event);
    case 'rollback-asked':
      return rollBackByHand(running, event);
    case 'gone':
      return leaveGone(running, event);
    case 'found': {
      if (!event.asked) return { refused: `${running.deployment.version} is in probation` };
      const { state: committed, effects } = committedStep(running);
      const step = nextAtRest(committed, event);
      return 'refused' in step ? step : { ...step, effects: [...effects, ...step.effects] };
    }
    case 'service-failed':
      return leaveProbation(state, reasonOfService(event));
    case 'crash-looped':
      return leaveProbation(
        state,
        `service '${event.service}' started again by itself ${event.restarts} times in probation`,
      );
    case 'probed': {
      const { outcome, until } = event;
      if (acceptance(outcome, state.baseline) === undefined) {
        return leaveProbation(state, outcome.reason);
      }
      if (until === state.until) return { state, effects: [] };
      const after: Probation = { ...state, until };
      return { state: after, effects: [{ kind: 'save-state', state: after }] };
    }
    default:
      return misfit(state, event);
  }
}

/** Only what passes now is committed, however long ago it got its verdict. */
function commit(
  { running, baseline }: Probation,
  { outcome, at }: Event & { name: 'probation-over' },
): Step | Refusal {
  const accepted = acceptance(outcome, baseline);
  if (accepted === undefined) return { refused: `it does not pass: ${outcome.reason}` };
  return committedStep({ ...running, proof: { ...outcome, at, accepted } });
}

function committedStep(running: Running): Step & { state: Committed } {
  const state: Committed = { name: 'committed', running };
  return { state, effects: [{ kind: 'save-state', state }] };
}

function leaveProbation({ running, baseline }: Probation, reason: string): Step {
  if (running.previous === undefined) {
    // A first install that worked for a while: taking it away would leave the node with nothing.
    const degraded: Degraded = { name: 'degraded', running, reason };
    return { state: degraded, effects: [{ kind: 'save-state', state: degraded }] };
  }
  const { deployment: to, previous: from } = running;
  return leave({ from, to, baseline }, reason, 'release');
}

function reasonOfService({ service, reason }: Event & { name: 'service-failed' }): string {
  return `service '${service}' gave up: ${reason}`;
}
