/**
 * Transitions that leave a deployment for the one before it. Pure, as
 * `machine.ts` is. Whatever happened, they end on a deployment that runs and a
 * word about it; they never try the one that was left again.
 */
import {
  acceptance,
  MAX_ATTEMPTS,
  type Blame,
  type Deployment,
  type Outcome,
  type Proof,
  type Running,
} from './facts.ts';
import type {
  Degraded,
  Effect,
  Event,
  Idle,
  PendingVerification,
  Refusal,
  RolledBack,
  RollingBack,
  State,
  Step,
} from './machine.ts';

/** An operator's word is enough; where to go was checked before it became an event. */
export function rollBackByHand(
  running: Running | undefined,
  event: Event & { name: 'rollback-asked' },
): Step | Refusal {
  if (running === undefined) return { refused: 'nothing runs that could be rolled back' };
  if (running.deployment.id === event.to.id) return { refused: `'${event.to.id}' runs already` };
  const { to: from, reason, restore } = event;
  return leave({ from, to: running.deployment }, reason, 'operator', restore);
}

/** What runs is gone from the disk, by nobody's fault: anything that passed here is better than nothing. */
export function leaveGone(
  running: Running | undefined,
  event: Event & { name: 'gone' },
): Step | Refusal {
  if (running === undefined) return { refused: 'nothing runs that could be gone' };
  if (event.to !== undefined) {
    return leave({ from: event.to, to: running.deployment }, event.reason, 'node');
  }
  const idle: Idle = { name: 'idle' };
  return {
    state: idle,
    effects: [{ kind: 'switch' }, { kind: 'save-state', state: idle }, { kind: 'tidy' }],
  };
}

/** Somebody pointed `current` elsewhere while a verdict was due: theirs is the last word. */
export function yieldToOperator(current: Deployment, at: string): Step {
  const idle: Idle = { name: 'idle', running: { deployment: current, since: at } };
  return {
    state: idle,
    effects: [
      { kind: 'unquiesce' },
      { kind: 'save-state', state: idle },
      { kind: 'remove-marker' },
      { kind: 'tidy' },
    ],
  };
}

/** Begins to leave `pending.to` for `pending.from`, which probed as `pending.baseline` before. */
export function leave(
  pending: {
    from?: Deployment | undefined;
    to: Deployment;
    baseline?: Outcome | undefined;
  },
  reason: string,
  blame: Blame,
  restore?: string,
): Step {
  return goBack({
    name: 'rolling-back',
    back: pending.from,
    failed: pending.to,
    reason,
    blame,
    attempt: 1,
    baseline: pending.baseline,
    restore,
  });
}

function goBack(state: RollingBack): Step {
  const effects: Effect[] = [markerOf(state)];
  if (state.restore !== undefined) {
    const again = state.attempt > 1;
    effects.push({ kind: 'quiesce' }, { kind: 'restore-snapshot', name: state.restore, again });
  }
  effects.push({ kind: 'switch', to: state.back });
  return { state, effects };
}

/** Every event while rolling back. A `failed` is refused: the marker stays, and the next start goes on. */
export function nextRollingBack(state: RollingBack, event: Event): Step | Refusal {
  const { back, failed } = state;
  switch (event.name) {
    case 'resumed': {
      const { current } = event;
      if (current !== undefined && current.id !== back?.id && current.id !== failed.id) {
        return yieldToOperator(current, event.at);
      }
      return goBack({ ...state, attempt: state.attempt + 1, restartFailed: undefined });
    }
    case 'switched': {
      const effects: Effect[] = [{ kind: 'restart-services', deployment: back }];
      // Not before the switch: visitors do not wait for a worker that takes its time to stop.
      if (state.restore === undefined) effects.unshift({ kind: 'quiesce' });
      return { state, effects };
    }
    case 'restarted':
    case 'restart-failed': {
      const restartFailed = event.name === 'restart-failed' ? event.reason : undefined;
      const after: RollingBack = { ...state, restartFailed };
      if (back === undefined) return conclude(after, rolledBack(after, undefined));
      if (state.attempt <= MAX_ATTEMPTS) {
        return { state: after, effects: [{ kind: 'probe', deployment: back }] };
      }
      const unproven: Running = { deployment: back, since: event.at };
      return conclude(after, degraded(after, unproven, 'rolled back too often to probe again'));
    }
    case 'probed':
      return back === undefined ? misfit(state, event) : judgeBack(state, back, event);
    case 'lost': {
      const step = conclude(
        state,
        degraded(state, { deployment: failed, since: event.at }, event.reason),
      );
      return { ...step, effects: [{ kind: 'unquiesce' }, ...step.effects] };
    }
    default:
      return misfit(state, event);
  }
}

function judgeBack(
  state: RollingBack,
  back: Deployment,
  { outcome, at }: Event & { name: 'probed' },
): Step {
  const running: Running = { deployment: back, since: at };
  const { restartFailed, baseline } = state;
  if (restartFailed === undefined && outcome.rank === 'healthy') {
    const proof: Proof = { ...outcome, at, accepted: 'healthy' };
    return conclude(state, rolledBack(state, { ...running, proof }));
  }
  // `back` does worse than it did before: something else than the release is broken here.
  const isNode = restartFailed !== undefined || acceptance(outcome, baseline) === undefined;
  const blame = isNode && state.blame === 'release' ? 'node' : state.blame;
  return conclude({ ...state, blame }, degraded(state, running, restartFailed ?? outcome.reason));
}

function rolledBack({ failed, reason }: RollingBack, running: Running | undefined): RolledBack {
  return { name: 'rolled-back', running, failed, reason };
}

function degraded({ failed }: RollingBack, running: Running, reason: string): Degraded {
  return { name: 'degraded', running, failed, reason };
}

function conclude({ blame, failed, reason }: RollingBack, state: RolledBack | Degraded): Step {
  const effects: Effect[] = [
    { kind: 'save-state', state },
    { kind: 'remove-marker' },
    { kind: 'tidy' },
  ];
  const kind = blame === 'node' ? 'postpone' : 'quarantine';
  effects.unshift({ kind, deployment: failed, reason });
  return { state, effects };
}

/** The effect that writes down where `state` stands. */
export function markerOf(state: PendingVerification | RollingBack): Effect {
  if (state.name === 'rolling-back') {
    const { back: from, failed: to, attempt, baseline, reason, blame, restore } = state;
    return {
      kind: 'write-marker',
      marker: { from, to, phase: 'rolling-back', attempt, baseline, reason, blame, restore },
    };
  }
  const { from, to, phase, attempt, baseline } = state;
  return { kind: 'write-marker', marker: { from, to, phase, attempt, baseline } };
}

/** The refusal of an event that says nothing in this state. */
export function misfit(state: State, event: Event): Refusal {
  return { refused: `'${event.name}' does not fit state '${state.name}'` };
}
