/** The rules of a node's life that are the machine's, each with what it says. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { acceptance, MAX_ATTEMPTS, type Deployment, type Outcome } from '../../updater/facts.ts';
import {
  next,
  type Effect,
  type Event,
  type PendingVerification,
  type RollingBack,
  type State,
  type Step,
} from '../../updater/machine.ts';

const deployment = (version: string): Deployment => ({
  id: `${version}-0123456789ab`,
  version,
  digest: '0'.repeat(64),
  sequence: 1,
});
const OLD = deployment('1.0.0');
const NEW = deployment('1.1.0');
const AT = '2026-04-22T19:00:00.000Z';
const outcome = (rank: Outcome['rank']): Outcome => ({ rank, reason: `it was ${rank}` });
const probed = (rank: Outcome['rank']): Event => ({
  name: 'probed',
  outcome: outcome(rank),
  at: AT,
  until: AT,
});
const resumed: Event = { name: 'resumed', current: NEW, toWhole: true, at: AT };

const restarted: PendingVerification = {
  name: 'pending-verification',
  rest: { name: 'committed', running: { deployment: OLD, since: AT } },
  from: OLD,
  to: NEW,
  phase: 'restarted',
  attempt: 1,
  baseline: outcome('healthy'),
};
const rollingBack: RollingBack = {
  name: 'rolling-back',
  back: OLD,
  failed: NEW,
  reason: 'status 500',
  blame: 'release',
  attempt: 1,
};

/** The step, or a failure of the test. */
function step(state: State, event: Event): Step {
  const result = next(state, event);
  if ('refused' in result) throw new Error(result.refused);
  return result;
}

/** The step, and what follows where no deployment is golden. */
function stepOn(state: State, event: Event): Step {
  const first = step(state, event);
  const isSought = first.effects.at(-1)?.kind === 'seek-golden';
  return isSought ? step(first.state, { name: 'golden', at: AT }) : first;
}

function find<K extends Effect['kind']>(
  { effects }: Step,
  kind: K,
): (Effect & { kind: K }) | undefined {
  return effects.find((effect): effect is Effect & { kind: K } => effect.kind === kind);
}

describe('the machine', () => {
  it('is pure: it and what it imports know no node: module, no clock, no chance', () => {
    for (const name of ['machine', 'facts', 'forward', 'back', 'rolling-back']) {
      const source = readFileSync(new URL(`../../updater/${name}.ts`, import.meta.url), 'utf8');
      const code = source.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/\/\/.*/g, '');
      expect(code).not.toMatch(/from 'node:|\bDate\b|\bMath\b|\bprocess\b|performance|crypto/);
      for (const [, from] of code.matchAll(/from '([^']+)'/g)) {
        expect(from).toMatch(/^\.\/(?:machine|facts|forward|back|rolling-back)\.ts$/);
      }
    }
  });
});

describe('a verdict against the baseline', () => {
  it.each([
    // before, after, kept as
    ['healthy', 'healthy', 'healthy'],
    ['healthy', 'wrong', undefined],
    ['healthy', 'error', undefined],
    ['healthy', 'refused', undefined],
    ['wrong', 'wrong', 'no-worse'],
    ['wrong', 'error', undefined],
    ['error', 'wrong', 'no-worse'],
    ['error', 'error', 'no-worse'],
    ['error', 'refused', undefined],
    ['refused', 'refused', 'no-worse'],
    ['refused', 'healthy', 'healthy'],
    [undefined, 'healthy', 'healthy'],
    [undefined, 'wrong', undefined],
    [undefined, 'refused', undefined],
  ] as const)('before %s, after %s: %s', (before, after, kept) => {
    const baseline = before === undefined ? undefined : outcome(before);
    expect(acceptance(outcome(after), baseline)).toBe(kept);
    const { state } = step({ ...restarted, baseline }, probed(after));
    expect(state.name).toBe(kept === undefined ? 'rolling-back' : 'probation');
  });

  it('says how a release that is no better than before came to stay', () => {
    const { state } = step({ ...restarted, baseline: outcome('error') }, probed('error'));
    expect(state).toMatchObject({
      name: 'probation',
      running: { deployment: NEW, previous: OLD, proof: { accepted: 'no-worse', rank: 'error' } },
    });
  });
});

describe('attempts', () => {
  it('are counted in the marker before anything is tried', () => {
    const { effects } = step(restarted, resumed);
    expect(effects[0]).toMatchObject({ kind: 'write-marker', marker: { attempt: 2 } });
    expect(effects.at(-1)).toMatchObject({ kind: 'probe' });
  });

  it('end after three: the next start rolls back without probing', () => {
    let state: State = restarted;
    for (let attempt = 2; attempt <= MAX_ATTEMPTS; attempt += 1) {
      state = step(state, resumed).state;
      expect(state).toMatchObject({ name: 'pending-verification', attempt });
    }
    const last = step(state, resumed);
    expect(last.state).toMatchObject({ name: 'rolling-back', blame: 'release' });
    expect(find(last, 'probe')).toBeUndefined();
  });

  it('of a rollback end too: it goes back all the same, unprobed and degraded', () => {
    const tired: RollingBack = { ...rollingBack, attempt: MAX_ATTEMPTS };
    const again = step(tired, { ...resumed, current: OLD });
    expect(find(again, 'switch')).toMatchObject({ to: OLD });
    const switched = step(again.state, { name: 'switched' });
    const { state, effects } = step(switched.state, { name: 'restarted', at: AT });
    expect(state).toMatchObject({ name: 'degraded', running: { deployment: OLD } });
    expect(effects.map((effect) => effect.kind)).toContain('remove-marker');
  });
});

describe('whose fault it was that neither version passes', () => {
  it.each([
    // before, after the rollback, whose
    ['healthy', 'error', 'postpone'],
    ['error', 'refused', 'postpone'],
    [undefined, 'error', 'postpone'],
    ['error', 'error', 'quarantine'],
    ['error', 'wrong', 'quarantine'],
  ] as const)('old before: %s, old after: %s: %s', (before, after, kind) => {
    const baseline = before && outcome(before);
    const leaving = step({ ...restarted, baseline }, probed('refused'));
    expect(find(leaving, 'write-marker')?.marker.baseline).toStrictEqual(baseline);
    const { state, effects } = stepOn(leaving.state, probed(after));
    expect(state.name).toBe('degraded');
    expect(effects[0]).toMatchObject({ kind, deployment: NEW, reason: 'it was refused' });
  });

  it("is the node's when the services of neither come up, never when an operator asked", () => {
    const failed: Event = { name: 'restart-failed', reason: 'no process', at: AT };
    const conclude = (blame: RollingBack['blame']): Step =>
      stepOn(
        step({ ...rollingBack, blame, baseline: outcome('healthy') }, failed).state,
        probed('healthy'),
      );
    expect(find(conclude('release'), 'postpone')).toBeDefined();
    expect(find(conclude('operator'), 'quarantine')).toBeDefined();
  });
});

describe('a rollback', () => {
  it('that finds the old version failing too is degraded and stays there', () => {
    const { state } = stepOn(rollingBack, probed('error'));
    expect(state).toMatchObject({ name: 'degraded', running: { deployment: OLD }, failed: NEW });
  });

  it('whose services do not come up is degraded, whatever the page says', () => {
    const failed: Event = { name: 'restart-failed', reason: 'no process was there', at: AT };
    const after = step(rollingBack, failed);
    expect(stepOn(after.state, probed('healthy')).state).toMatchObject({
      name: 'degraded',
      reason: 'no process was there',
    });
  });

  it.each([
    ['release', true],
    ['operator', true],
    ['node', false],
  ] as const)('that is the fault of the %s: quarantine %s', (blame, quarantined) => {
    const after = step({ ...rollingBack, blame }, probed('healthy'));
    expect(find(after, 'quarantine') !== undefined).toBe(quarantined);
  });

  it('of a disk that failed before the switch only takes the marker away', () => {
    const { state, effects } = step(
      { ...restarted, phase: 'prepared' },
      { name: 'failed', reason: 'EIO' },
    );
    expect(state).toBe(restarted.rest);
    expect(effects.map((effect) => effect.kind)).toStrictEqual([
      'switch',
      'postpone',
      'unquiesce',
      'remove-marker',
      'tidy',
    ]);
    expect(effects[0]).toMatchObject({ to: OLD });
  });

  it('with nowhere to go keeps what runs', () => {
    const { state } = stepOn(rollingBack, { name: 'lost', reason: 'gone', at: AT });
    expect(state).toMatchObject({ name: 'degraded', running: { deployment: NEW }, reason: 'gone' });
  });
});

describe('the golden deployment', () => {
  const GOLDEN = deployment('0.9.0');
  const golden: Event = { name: 'golden', to: GOLDEN, at: AT };

  /** From `rollingBack`, whose deployment to go back to turns out to be of no use by `event`. */
  function toGolden(event: Event): Step {
    const seeking = step({ ...rollingBack, baseline: outcome('healthy') }, event);
    expect(find(seeking, 'seek-golden')?.beside).toContain(NEW.id);
    return step(seeking.state, golden);
  }

  it.each([
    ['does not pass', probed('error')],
    ['is damaged on the disk', { ...probed('healthy'), damage: 'not what was installed' }],
    ['is not on the disk', { name: 'lost', reason: 'gone', at: AT }],
  ] as const)('is gone to when what ran before %s, and then nothing else is', (_, event) => {
    const going = toGolden(event);
    expect(find(going, 'write-marker')).toMatchObject({
      marker: { from: GOLDEN, to: NEW, golden: true, unusable: OLD, attempt: 1 },
    });
    expect(find(going, 'switch')).toMatchObject({ to: GOLDEN });
    const there = step(step(going.state, { name: 'switched' }).state, {
      name: 'restarted',
      at: AT,
    });
    const passed = step(there.state, probed('healthy'));
    expect(passed.state).toMatchObject({
      name: 'rolled-back',
      running: { deployment: GOLDEN },
      golden: true,
    });
    expect(find(passed, 'quarantine'), 'so it was the release').toMatchObject({ deployment: NEW });
    const failed = step(there.state, probed('refused'));
    expect(failed.state).toMatchObject({
      name: 'degraded',
      running: { deployment: GOLDEN },
      golden: true,
    });
    expect(find(failed, 'postpone'), 'so it was not').toMatchObject({ deployment: NEW });
    for (const { state } of [passed, failed]) {
      const to = deployment('0.8.0');
      expect(next(state, { name: 'last-resort', to, reason: 'x', at: AT })).toHaveProperty(
        'refused',
      );
    }
  });

  it('is found by a start after a crash, wherever current was left', () => {
    const { state } = toGolden(probed('error'));
    for (const current of [GOLDEN, OLD, NEW]) {
      const again = step(state, { name: 'resumed', current, toWhole: false, at: AT });
      expect(find(again, 'switch')).toMatchObject({ to: GOLDEN });
      const gone = step(again.state, { name: 'lost', reason: 'gone', at: AT });
      expect(gone.state).toMatchObject({ name: 'degraded', running: { deployment: current } });
    }
  });

  it('that turns out not to be there leaves the node where it is', () => {
    const { state } = step(toGolden(probed('error')).state, { name: 'lost', reason: 'x', at: AT });
    expect(state).toMatchObject({ name: 'degraded', running: { deployment: OLD } });
    expect(state).toMatchObject({ golden: undefined });
  });

  it('is gone to from rest when an observer says that nothing else is of use', () => {
    const running = { deployment: NEW, since: AT, previous: OLD };
    const event: Event = { name: 'last-resort', to: GOLDEN, reason: 'both are damaged', at: AT };
    const { state } = step({ name: 'committed', running }, event);
    expect(state).toMatchObject({ name: 'rolling-back', back: GOLDEN, failed: NEW, blame: 'node' });
    const first: State = { name: 'degraded', running: { deployment: NEW, since: AT }, reason: 'x' };
    expect(step(first, event).state).toMatchObject({ blame: 'release' });
    expect(next({ name: 'idle' }, event)).toHaveProperty('refused');
  });
});

describe('a first install', () => {
  it('that fails leaves the node as it was: no current', () => {
    const first: PendingVerification = {
      ...restarted,
      rest: { name: 'idle' },
      from: undefined,
      baseline: undefined,
    };
    const leaving = step(first, probed('error'));
    expect(find(leaving, 'switch')).toStrictEqual({ kind: 'switch', to: undefined });
    const { state: waiting } = step(leaving.state, { name: 'switched' });
    const { state } = step(waiting, { name: 'restarted', at: AT });
    expect(state).toStrictEqual({
      name: 'rolled-back',
      running: undefined,
      failed: NEW,
      reason: 'it was error',
      golden: undefined,
    });
  });

  it('that fails later, in probation, is not taken away: there is nothing better', () => {
    const { state } = step(
      { name: 'probation', running: { deployment: NEW, since: AT }, until: AT },
      probed('error'),
    );
    expect(state).toMatchObject({ name: 'degraded', running: { deployment: NEW } });
  });
});

describe('degraded', () => {
  it('is left when what runs passes again', () => {
    const state: State = {
      name: 'degraded',
      running: { deployment: OLD, since: AT },
      failed: NEW,
      reason: 'x',
    };
    expect(step(state, probed('healthy')).state).toMatchObject({
      name: 'rolled-back',
      running: { deployment: OLD, proof: { accepted: 'healthy' } },
    });
    const alone: State = { name: 'degraded', running: { deployment: OLD, since: AT }, reason: 'x' };
    expect(step(alone, probed('healthy')).state.name).toBe('committed');
  });
});
