/**
 * Transitions that leave a deployment for the one before it. Pure, as
 * `machine.ts` is. Whatever happened, they end on a deployment that runs and a
 * word about it; they never try the one that was left again.
 */
import type { Blame, Deployment, Outcome, Running } from './facts.ts';
import type {
  Degraded,
  Effect,
  Event,
  Idle,
  PendingVerification,
  Refusal,
  Resting,
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

/** Nothing else is of use: what runs is left for the golden deployment. From there it goes nowhere by itself. */
export function leaveForGolden(
  state: Resting,
  event: Event & { name: 'last-resort' },
): Step | Refusal {
  const { running } = state;
  if (running === undefined) return { refused: 'nothing runs that could be left' };
  if (running.deployment.id === event.to.id || isOnGolden(state)) {
    return { refused: `'${running.deployment.id}' is the last resort already` };
  }
  // A first install that was watched: there is nothing before it that would tell whose fault it is.
  const blame = state.name === 'degraded' && state.failed === undefined ? 'release' : 'node';
  const { to: back, reason } = event;
  const failed = running.deployment;
  return goBack({ name: 'rolling-back', back, failed, reason, blame, attempt: 1, golden: true });
}

/** Whether the golden deployment was gone to, as the last resort. */
function isOnGolden(state: Resting): boolean {
  return 'golden' in state && state.golden === true;
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

/** Writes down where it goes, and goes there. */
export function goBack(state: RollingBack): Step {
  const effects: Effect[] = [markerOf(state)];
  if (state.restore !== undefined) {
    const again = state.attempt > 1;
    effects.push({ kind: 'quiesce' }, { kind: 'restore-snapshot', name: state.restore, again });
  }
  effects.push({ kind: 'switch', to: state.back });
  return { state, effects };
}

/** What `state` comes to when what it goes back to passes. */
export function rolledBack(
  { failed, reason, golden }: RollingBack,
  running: Running | undefined,
): RolledBack {
  return { name: 'rolled-back', running, failed, reason, golden };
}

/** What `state` comes to when it does not. */
export function degraded(
  { failed, golden }: RollingBack,
  running: Running,
  reason: string,
): Degraded {
  return { name: 'degraded', running, failed, reason, golden };
}

/** Ends the rollback in `state`. */
export function conclude(
  { blame, failed, reason }: RollingBack,
  state: RolledBack | Degraded,
): Step {
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
export function markerOf(
  state: PendingVerification | RollingBack,
): Effect & { kind: 'write-marker' } {
  if (state.name === 'rolling-back') {
    const { back: from, failed: to, attempt, baseline, reason, blame } = state;
    const { restore, golden, unusable } = state;
    const phase = 'rolling-back';
    const how = { attempt, baseline, reason, blame, restore, golden, unusable };
    return { kind: 'write-marker', marker: { from, to, phase, ...how } };
  }
  const { from, to, phase, attempt, baseline } = state;
  return { kind: 'write-marker', marker: { from, to, phase, attempt, baseline } };
}

/** The refusal of an event that says nothing in this state. */
export function misfit(state: State, event: Event): Refusal {
  return { refused: `'${event.name}' does not fit state '${state.name}'` };
}
