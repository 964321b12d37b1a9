/**
 * Every state against every event: where it leads and what is to be done, or
 * that it is refused.
 */
import { describe, expect, it } from 'vitest';
import type { Deployment, Outcome } from '../../updater/facts.ts';
import { next, type Event, type State } from '../../updater/machine.ts';

const deployment = (version: string): Deployment => ({
  id: `${version}-0123456789ab`,
  version,
  digest: version.replaceAll('.', '').padStart(64, '0'),
  sequence: Number(version.split('.')[1]),
});
const OLD = deployment('1.0.0');
const NEW = deployment('1.1.0');
const OTHER = deployment('1.2.0');
const GOLDEN = deployment('1.9.0');
const AT = '2026-04-22T19:00:00.000Z';
const UNTIL = '2026-04-22T19:10:00.000Z';
const HEALTHY: Outcome = { rank: 'healthy', reason: 'as it should be' };
const ERROR: Outcome = { rank: 'error', reason: 'status 500' };

const rest = { name: 'committed', running: { deployment: OLD, since: AT } } as const;
const pending = {
  name: 'pending-verification',
  rest,
  from: OLD,
  to: NEW,
  attempt: 1,
  baseline: HEALTHY,
} as const;

const STATES: Record<string, State> = {
  idle: { name: 'idle' },
  committed: rest,
  'rolled-back': {
    name: 'rolled-back',
    running: rest.running,
    failed: OTHER,
    reason: 'status 500',
  },
  degraded: { name: 'degraded', running: rest.running, failed: OTHER, reason: 'status 500' },
  available: { name: 'available', rest, to: NEW },
  staged: { name: 'staged', rest, to: NEW, baseline: HEALTHY },
  prepared: { ...pending, phase: 'prepared' },
  switched: { ...pending, phase: 'switched' },
  restarted: { ...pending, phase: 'restarted' },
  probation: {
    name: 'probation',
    running: { deployment: NEW, since: AT, previous: OLD },
    baseline: HEALTHY,
    until: UNTIL,
  },
  'rolling-back': {
    name: 'rolling-back',
    back: OLD,
    failed: NEW,
    reason: 'status 500',
    blame: 'release',
    attempt: 1,
  },
  'degraded, on golden': {
    name: 'degraded',
    running: { deployment: GOLDEN, since: AT },
    failed: OTHER,
    reason: 'status 500',
    golden: true,
  },
  'rolling-back, seeking golden': {
    name: 'rolling-back',
    back: OLD,
    failed: NEW,
    reason: 'status 500',
    blame: 'release',
    attempt: 2,
    otherwise: {
      rest: { name: 'degraded', running: rest.running, failed: NEW, reason: 'status 502' },
      blame: 'node',
      at: OLD,
      lost: false,
    },
  },
  'rolling-back, to golden': {
    name: 'rolling-back',
    back: GOLDEN,
    failed: NEW,
    reason: 'status 500',
    blame: 'release',
    attempt: 1,
    golden: true,
    unusable: OLD,
  },
  'first rolling-back': {
    name: 'rolling-back',
    failed: NEW,
    reason: 'status 500',
    blame: 'release',
    attempt: 1,
  },
};

const EVENTS: Record<string, Event> = {
  found: { name: 'found', to: NEW, asked: false },
  'found, asked': { name: 'found', to: OTHER, asked: true },
  cleared: { name: 'cleared', baseline: HEALTHY },
  staged: { name: 'staged' },
  abandoned: { name: 'abandoned', reason: 'no space' },
  'abandoned, at fault': { name: 'abandoned', reason: 'drwx------', artifact: 'a'.repeat(64) },
  activate: { name: 'activate' },
  marked: { name: 'marked' },
  held: { name: 'held', code: 'held', reason: 'audit' },
  switched: { name: 'switched' },
  restarted: { name: 'restarted', at: AT },
  'restart-failed': { name: 'restart-failed', reason: 'no process', at: AT },
  'probed well': { name: 'probed', outcome: HEALTHY, at: AT, until: UNTIL },
  'probed badly': { name: 'probed', outcome: ERROR, at: AT, until: UNTIL },
  'probation-over': { name: 'probation-over', outcome: HEALTHY, at: AT },
  'probation-over, badly': { name: 'probation-over', outcome: ERROR, at: AT },
  'probed well, clock set': { name: 'probed', outcome: HEALTHY, at: AT, until: AT },
  'crash-looped': { name: 'crash-looped', service: 'server', restarts: 4, at: AT },
  'service-failed': { name: 'service-failed', service: 'server', reason: 'start limit', at: AT },
  'rollback-asked': { name: 'rollback-asked', to: OTHER, reason: 'blank' },
  'rollback-asked, data too': {
    name: 'rollback-asked',
    to: OTHER,
    reason: 'blank',
    restore: 'landfall-1',
  },
  gone: { name: 'gone', to: OTHER, reason: 'gone' },
  'gone, and all': { name: 'gone', reason: 'gone' },
  'last-resort': { name: 'last-resort', to: GOLDEN, reason: 'damaged', at: AT },
  golden: { name: 'golden', to: GOLDEN, at: AT },
  'golden, none': { name: 'golden', at: AT },
  'probed well, damaged': { name: 'probed', outcome: HEALTHY, at: AT, until: UNTIL, damage: 'x' },
  failed: { name: 'failed', reason: 'i/o error' },
  lost: { name: 'lost', reason: 'gone', at: AT },
  'resumed on old': { name: 'resumed', current: OLD, toWhole: true, at: AT },
  'resumed on new': { name: 'resumed', current: NEW, toWhole: true, at: AT },
  'resumed on damaged': { name: 'resumed', current: NEW, toWhole: false, at: AT },
  'resumed on nothing': { name: 'resumed', toWhole: true, at: AT },
  'resumed elsewhere': { name: 'resumed', current: OTHER, toWhole: true, at: AT },
};

const BACK = 'rolling-back: write-marker switch';
const BACK_WITH_DATA = 'rolling-back: write-marker quiesce restore-snapshot switch';
const LET_GO = 'save-state remove-marker tidy';
const NOTHING_LEFT = 'idle: switch save-state tidy';
const ELSEWHERE = `idle: unquiesce ${LET_GO}`;

const ROLLING_BACK: Record<string, string> = {
  switched: 'rolling-back: quiesce restart-services',
  restarted: 'rolling-back: probe',
  'restart-failed': 'rolling-back: probe',
  'probed well': `rolled-back: quarantine ${LET_GO}`,
  'probed well, clock set': `rolled-back: quarantine ${LET_GO}`,
  'probed well, damaged': 'rolling-back: seek-golden',
  'probed badly': 'rolling-back: seek-golden',
  lost: 'rolling-back: seek-golden',
  'resumed on old': BACK,
  'resumed on new': BACK,
  'resumed on damaged': BACK,
  'resumed on nothing': BACK,
  'resumed elsewhere': ELSEWHERE,
};

/** State → event → `next state: effects`. What is not here is refused. */
const TABLE: Record<string, Record<string, string>> = {
  idle: {
    found: 'available: preflight',
    'found, asked': 'available: preflight',
    'service-failed': 'idle:',
    'crash-looped': 'idle:',
  },
  committed: {
    'service-failed': 'committed:',
    'crash-looped': 'committed:',
    'last-resort': BACK,
    found: 'available: preflight',
    'found, asked': 'available: preflight',
    'rollback-asked': BACK,
    gone: BACK,
    'gone, and all': NOTHING_LEFT,
    'rollback-asked, data too': BACK_WITH_DATA,
  },
  'rolled-back': {
    'service-failed': 'rolled-back:',
    'crash-looped': 'rolled-back:',
    'last-resort': BACK,
    found: 'available: preflight',
    'found, asked': 'available: preflight',
    'rollback-asked': BACK,
    gone: BACK,
    'gone, and all': NOTHING_LEFT,
    'rollback-asked, data too': BACK_WITH_DATA,
  },
  degraded: {
    'service-failed': 'degraded:',
    'crash-looped': 'degraded:',
    'last-resort': BACK,
    found: 'available: preflight',
    'found, asked': 'available: preflight',
    'probed well': 'rolled-back: save-state',
    'probed well, clock set': 'rolled-back: save-state',
    'probed well, damaged': 'rolled-back: save-state',
    'probed badly': 'degraded: save-state',
    'rollback-asked': BACK,
    gone: BACK,
    'gone, and all': NOTHING_LEFT,
    'rollback-asked, data too': BACK_WITH_DATA,
  },
  available: {
    cleared: 'available: stage',
    staged: 'staged:',
    abandoned: 'committed: postpone tidy',
    'abandoned, at fault': 'committed: quarantine tidy',
  },
  staged: {
    abandoned: 'committed: postpone tidy',
    'abandoned, at fault': 'committed: quarantine tidy',
    activate: 'pending-verification prepared: write-marker',
  },
  prepared: {
    held: 'committed:',
    marked: 'pending-verification prepared: quiesce snapshot switch',
    switched: 'pending-verification switched: write-marker restart-services',
    failed: 'committed: switch postpone unquiesce remove-marker tidy',
    'resumed on old': 'committed: unquiesce remove-marker tidy',
    'resumed on new': 'pending-verification switched: write-marker restart-services',
    'resumed on damaged': BACK,
    'resumed on nothing': BACK,
    'resumed elsewhere': ELSEWHERE,
  },
  switched: {
    restarted: 'pending-verification restarted: write-marker probe',
    'restart-failed': BACK,
    'service-failed': BACK,
    failed: BACK,
    'resumed on old': BACK,
    'resumed on new': 'pending-verification switched: write-marker restart-services',
    'resumed on damaged': BACK,
    'resumed on nothing': BACK,
    'resumed elsewhere': ELSEWHERE,
  },
  restarted: {
    'probed well': `probation: watch ${LET_GO}`,
    'probed well, clock set': `probation: watch ${LET_GO}`,
    'probed well, damaged': `probation: watch ${LET_GO}`,
    'probed badly': BACK,
    'service-failed': BACK,
    failed: BACK,
    'resumed on old': BACK,
    'resumed on new': 'pending-verification restarted: write-marker probe',
    'resumed on damaged': BACK,
    'resumed on nothing': BACK,
    'resumed elsewhere': ELSEWHERE,
  },
  probation: {
    'found, asked': 'available: save-state preflight',
    'probed well': 'probation:',
    'probed badly': BACK,
    'service-failed': BACK,
    'crash-looped': BACK,
    'probed well, clock set': 'probation: save-state',
    'probed well, damaged': 'probation:',
    'probation-over': 'committed: save-state',
    'rollback-asked': BACK,
    gone: BACK,
    'gone, and all': NOTHING_LEFT,
    'rollback-asked, data too': BACK_WITH_DATA,
  },
  'rolling-back': ROLLING_BACK,
  'degraded, on golden': {
    found: 'available: preflight',
    'found, asked': 'available: preflight',
    'service-failed': 'degraded:',
    'crash-looped': 'degraded:',
    'probed well': 'rolled-back: save-state',
    'probed well, clock set': 'rolled-back: save-state',
    'probed well, damaged': 'rolled-back: save-state',
    'probed badly': 'degraded: save-state',
    'rollback-asked, data too': BACK_WITH_DATA,
    'rollback-asked': BACK,
    gone: BACK,
    'gone, and all': NOTHING_LEFT,
  },
  'rolling-back, seeking golden': {
    ...ROLLING_BACK,
    golden: BACK,
    'golden, none': `degraded: postpone ${LET_GO}`,
  },
  'rolling-back, to golden': {
    ...ROLLING_BACK,
    'probed well, damaged': `rolled-back: quarantine ${LET_GO}`,
    'probed badly': `degraded: postpone ${LET_GO}`,
    lost: `degraded: unquiesce quarantine ${LET_GO}`,
  },
  'first rolling-back': {
    switched: 'rolling-back: quiesce restart-services',
    restarted: `rolled-back: quarantine ${LET_GO}`,
    'restart-failed': `rolled-back: quarantine ${LET_GO}`,
    lost: 'rolling-back: seek-golden',
    'resumed on old': ELSEWHERE,
    'resumed on new': BACK,
    'resumed on damaged': BACK,
    'resumed on nothing': BACK,
    'resumed elsewhere': ELSEWHERE,
  },
};

function show(state: State, event: Event): string {
  const step = next(state, event);
  if ('refused' in step) return `refused: ${step.refused}`;
  const phase = step.state.name === 'pending-verification' ? ` ${step.state.phase}` : '';
  const effects = step.effects.map((effect) => ` ${effect.kind}`).join('');
  return `${step.state.name}${phase}:${effects}`;
}

describe.each(Object.keys(STATES))('in state %s', (stateName) => {
  it.each(Object.keys(EVENTS))('%s', (eventName) => {
    const state = STATES[stateName];
    const event = EVENTS[eventName];
    if (state === undefined || event === undefined) throw new Error('no such row');
    const before = structuredClone(state);
    const expected = TABLE[stateName]?.[eventName];
    const shown = show(state, event);
    expect(expected === undefined ? shown.replace(/:.*/, '') : shown).toBe(expected ?? 'refused');
    expect(state).toStrictEqual(before);
  });
});
