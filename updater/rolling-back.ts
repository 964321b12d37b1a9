/**
 * Every event while rolling back, and the last resort when what ran before is
 * of no use either: the golden deployment, once. Pure, as `machine.ts` is.
 */
import { conclude, degraded, goBack, misfit, rolledBack, yieldToOperator } from './back.ts';
import { acceptance, MAX_ATTEMPTS, type Deployment, type Proof, type Running } from './facts.ts';
import type { Effect, Event, Refusal, RollingBack, Step } from './machine.ts';

type Otherwise = NonNullable<RollingBack['otherwise']>;

/** Every event while rolling back. A `failed` is refused: the marker stays, and the next start goes on. */
export function nextRollingBack(state: RollingBack, event: Event): Step | Refusal {
  const { back, failed } = state;
  switch (event.name) {
    case 'resumed':
      return resume(state, event);
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
        return { state: after, effects: [{ kind: 'probe', deployment: back, whole: true }] };
      }
      const unproven: Running = { deployment: back, since: event.at };
      return conclude(after, degraded(after, unproven, 'rolled back too often to probe again'));
    }
    case 'probed':
      return back === undefined ? misfit(state, event) : judge(state, back, event);
    case 'lost': {
      // The switch did not take place: `current` is where it was.
      const deployment = state.golden === true ? (state.otherwise?.at ?? failed) : failed;
      const rest = degraded(
        { ...state, golden: undefined },
        { deployment, since: event.at },
        event.reason,
      );
      return orGolden(state, { rest, blame: state.blame, at: deployment, lost: true });
    }
    case 'golden':
      return takeGolden(state, event);
    default:
      return misfit(state, event);
  }
}

function resume(state: RollingBack, event: Event & { name: 'resumed' }): Step {
  const { back, failed, unusable, golden } = state;
  const { current, at } = event;
  const isOurs = [back?.id, failed.id, unusable?.id].includes(current?.id);
  if (current !== undefined && !isOurs) return yieldToOperator(current, at);
  const again = { ...state, attempt: state.attempt + 1, restartFailed: undefined };
  if (golden !== true || current === undefined) return goBack(again);
  const rest = degraded(state, { deployment: current, since: at }, state.reason);
  return goBack({ ...again, otherwise: { rest, blame: state.blame, at: current, lost: true } });
}

function judge(
  state: RollingBack,
  back: Deployment,
  { outcome, at, damage }: Event & { name: 'probed' },
): Step {
  const running: Running = { deployment: back, since: at };
  const { restartFailed, baseline } = state;
  if (restartFailed === undefined && outcome.rank === 'healthy') {
    const proof: Proof = { ...outcome, at, accepted: 'healthy' };
    const rest = rolledBack(state, { ...running, proof });
    if (damage === undefined) return conclude(state, rest);
    return orGolden(state, { rest, blame: state.blame, at: back, lost: false });
  }
  // `back` does worse than it did before: something else than the release is broken here.
  const isNode = restartFailed !== undefined || acceptance(outcome, baseline) === undefined;
  const blame = isNode && state.blame === 'release' ? 'node' : state.blame;
  const rest = degraded(state, running, restartFailed ?? outcome.reason);
  return orGolden(state, { rest, blame, at: back, lost: false });
}

/** Rests as `otherwise` says, unless there may be a golden deployment that was not tried yet. */
function orGolden(state: RollingBack, otherwise: Otherwise): Step {
  if (state.golden === true) return restIn(state, otherwise);
  const { back, failed } = state;
  const beside = [failed.id, ...(back === undefined ? [] : [back.id])];
  return { state: { ...state, otherwise }, effects: [{ kind: 'seek-golden', beside }] };
}

function restIn(state: RollingBack, { rest, blame, lost }: Otherwise): Step {
  const step = conclude({ ...state, blame }, rest);
  // What was stopped for a switch that did not take place was not started with one.
  return lost ? { ...step, effects: [{ kind: 'unquiesce' }, ...step.effects] } : step;
}

function takeGolden(state: RollingBack, event: Event & { name: 'golden' }): Step | Refusal {
  const { otherwise } = state;
  if (otherwise === undefined) return misfit(state, event);
  if (event.to === undefined) return restIn(state, otherwise);
  return goBack({
    ...state,
    back: event.to,
    unusable: state.back,
    golden: true,
    attempt: 1,
    baseline: undefined,
    restore: undefined,
    restartFailed: undefined,
  });
}
