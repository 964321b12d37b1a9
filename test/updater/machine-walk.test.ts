/**
 * Random walks through the machine in a world that carries its effects out and
 * may lose any of them to a crash. Whatever happens, in whatever order: what
 * `current` points at is known, nothing is kept that no probe accepted, and what
 * failed does not run.
 */
import { array, assert, integer, property } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { acceptance, type Deployment, type Outcome } from '../../updater/facts.ts';
import {
  next,
  type Effect,
  type Event,
  type MarkerFacts,
  type Settled,
  type State,
} from '../../updater/machine.ts';
import { stateOfMarker } from '../../updater/records/marker-file.ts';

const AT = '2026-04-22T19:00:00.000Z';
const release = (sequence: number): Deployment => ({
  id: `1.${sequence}.0-0123456789ab`,
  version: `1.${sequence}.0`,
  digest: String(sequence).padStart(64, '0'),
  sequence,
});

const GOLDEN = release(0);
const GAVE_UP: Event = { name: 'service-failed', service: 'server', reason: 'start limit', at: AT };
const LAST_RESORT = { name: 'last-resort', reason: 'both damaged', at: AT } as const;
const LOOPED: Event = { name: 'crash-looped', service: 'server', restarts: 9, at: AT };

/** What survives a crash. */
interface Disk {
  current?: Deployment | undefined;
  marker?: MarkerFacts | undefined;
  saved: Settled;
  /** What must not run during a switch was stopped. */
  quiesced: boolean;
  /** The last outcome of each deployment that was probed. */
  verdicts: Map<string, Outcome>;
}

/** Choices of one walk, taken one by one: what a probe sees, whether the power goes. */
interface Fate {
  outcome(): Outcome;
  /** Whether this machine fails now, and how. */
  trouble(): 'none' | 'crash' | 'error';
  chance(percent: number): boolean;
}

const RANKS: readonly Outcome['rank'][] = ['refused', 'error', 'wrong', 'healthy'];

function fateOf(bytes: readonly number[]): Fate {
  let at = 0;
  const draw = (): number => bytes[at++ % bytes.length] ?? 0;
  return {
    outcome: () => {
      const rank = RANKS[draw() % 4] ?? 'healthy';
      return { rank, reason: `it was ${rank}` };
    },
    trouble: () => {
      const value = draw();
      return value < 20 ? 'crash' : value < 32 ? 'error' : 'none';
    },
    chance: (percent) => (draw() * 100) / 256 < percent,
  };
}

/** Carries one effect out on the disk; what it would tell. */
function carryOut(disk: Disk, effect: Effect, fate: Fate): Event | undefined {
  switch (effect.kind) {
    case 'preflight':
      return {
        name: 'cleared',
        baseline: effect.from === undefined ? undefined : fate.outcome(),
      };
    case 'stage':
      return fate.chance(85)
        ? { name: 'staged' }
        : {
            name: 'abandoned',
            reason: 'drwx------',
            artifact: fate.chance(50) ? 'a'.repeat(64) : undefined,
          };
    case 'write-marker':
      if (effect.marker.phase === 'prepared') {
        if (fate.chance(10)) return { name: 'held', code: 'held', reason: 'audit' };
        disk.marker = effect.marker;
        return { name: 'marked' };
      }
      disk.marker = effect.marker;
      return undefined;
    case 'remove-marker':
      disk.marker = undefined;
      return undefined;
    case 'switch':
      disk.current = effect.to;
      return { name: 'switched' };
    case 'quiesce':
      disk.quiesced = true;
      return undefined;
    case 'unquiesce':
      disk.quiesced = false;
      return undefined;
    case 'restart-services':
      disk.quiesced = false;
      return fate.chance(90)
        ? { name: 'restarted', at: AT }
        : { name: 'restart-failed', reason: 'no process', at: AT };
    case 'probe': {
      ensure(disk.current?.id === effect.deployment.id, 'what is probed is what runs');
      const outcome = fate.outcome();
      disk.verdicts.set(effect.deployment.id, outcome);
      return { name: 'probed', outcome, at: AT, until: AT };
    }
    case 'seek-golden': {
      const to = fate.chance(60) ? GOLDEN : undefined;
      return { name: 'golden', to: effect.beside.includes(GOLDEN.id) ? undefined : to, at: AT };
    }
    case 'save-state':
      disk.saved = effect.state;
      return undefined;
    default:
      return undefined;
  }
}

/** Drives the machine as the runner does. Undefined: the power went, or the disk refused. */
function drive(disk: Disk, start: State, event: Event, fate: Fate): State | undefined {
  let state = start;
  let pending: Event | undefined = event;
  for (let steps = 0; pending !== undefined; steps += 1) {
    ensure(steps < 40, 'it comes to an end');
    const step = next(state, pending);
    if ('refused' in step) {
      ensure(pending === event, `only what comes from outside may be refused: ${step.refused}`);
      return state;
    }
    state = step.state;
    const after = runEffects(disk, state, step.effects, fate);
    if (after === 'stopped') return undefined;
    pending = after;
  }
  return state;
}

function runEffects(
  disk: Disk,
  state: State,
  effects: readonly Effect[],
  fate: Fate,
): Event | 'stopped' | undefined {
  const inProgress = state.name === 'pending-verification' || state.name === 'rolling-back';
  for (const effect of effects) {
    const trouble = fate.trouble();
    if (trouble === 'crash') {
      if (fate.chance(50)) carryOut(disk, effect, fate);
      return 'stopped';
    }
    if (trouble === 'error') {
      const dispensable = ['write-marker', 'quiesce', 'restore-snapshot'].includes(effect.kind);
      if (effect.kind === 'write-marker' && effect.marker.golden === true) {
        return { name: 'lost', reason: 'EIO', at: AT };
      }
      if (state.name === 'rolling-back' && dispensable) continue;
      if (state.name === 'pending-verification') return { name: 'failed', reason: 'EIO' };
      if (state.name !== 'available') return 'stopped';
      return { name: 'abandoned', reason: 'EIO' };
    }
    const told = carryOut(disk, effect, fate);
    if (told !== undefined && (told.name !== 'switched' || inProgress)) return told;
  }
  return undefined;
}

/** What a start finds: without a marker, the link is believed over what was saved. */
function restart(disk: Disk, fate: Fate, seen: Set<string>): State | undefined {
  const { marker, saved, current } = disk;
  if (marker !== undefined) {
    ensure(
      [marker.from?.id, marker.to.id, marker.unusable?.id].includes(current?.id),
      `a marker knows what runs, whatever was interrupted: ${current?.id}`,
    );
    seen.add(`resumed ${marker.phase}`);
    const rest =
      saved.name === 'probation' ? { name: 'committed' as const, running: saved.running } : saved;
    const state = stateOfMarker({ schema: 1, bootId: 'boot', ...marker }, rest);
    const toWhole = fate.chance(90);
    return drive(disk, state, { name: 'resumed', current, toWhole, at: AT }, fate);
  }
  // A rollback whose marker could not be written: `quiesced.json` tells what to start.
  disk.quiesced = false;
  if (saved.running?.deployment.id !== current?.id) {
    seen.add('drift');
    const running = current === undefined ? undefined : { deployment: current, since: AT };
    disk.saved = { name: 'idle', running };
    return disk.saved;
  }
  if (saved.name !== 'probation' && saved.name !== 'degraded') return saved;
  const outcome = fate.outcome();
  disk.verdicts.set(saved.running.deployment.id, outcome);
  return drive(disk, saved, { name: 'probed', outcome, at: AT, until: AT }, fate);
}

function checkInvariants(disk: Disk, state: State | undefined): void {
  if (state === undefined) return; // What a crash may leave is checked by the next start.
  ensure(disk.marker === undefined, `in ${state.name} nothing is in progress`);
  ensure(!disk.quiesced, `in ${state.name} nothing stays stopped`);
  ensure('running' in state || state.name === 'idle', `${state.name} is a state to rest in`);
  const running = 'running' in state ? state.running : undefined;
  ensure(disk.current?.id === running?.deployment.id, `what runs is known in ${state.name}`);
  if (state.name === 'probation' || state.name === 'committed') {
    const verdict = disk.verdicts.get(state.running.deployment.id);
    ensure(verdict !== undefined, `${state.running.deployment.id} was kept without a probe`);
    ensure(state.running.proof !== undefined, 'it is known why it was kept');
  }
  if (state.name === 'probation') {
    const verdict = disk.verdicts.get(state.running.deployment.id);
    ensure(
      verdict !== undefined && acceptance(verdict, state.baseline) !== undefined,
      'what is kept passed, or was no worse',
    );
  }
  if (state.name === 'rolled-back') {
    ensure(running?.deployment.id !== state.failed.id, 'what failed does not run');
  }
}

/** A node's life: twelve starts, each settling first, then updating or rolling back by hand. */
function live(bytes: readonly number[], seen: Set<string>): void {
  const fate = fateOf(bytes);
  const disk: Disk = { saved: { name: 'idle' }, quiesced: false, verdicts: new Map() };
  let sequence = 0;
  for (let start = 0; start < 12; start += 1) {
    let state = restart(disk, fate, seen);
    checkInvariants(disk, state);
    if (state?.name === 'probation' && fate.chance(50)) {
      const outcome = fate.outcome();
      const isGood = acceptance(outcome, state.baseline) !== undefined;
      if (isGood) disk.verdicts.set(state.running.deployment.id, outcome);
      state = drive(disk, state, { name: 'probation-over', outcome, at: AT }, fate);
      checkInvariants(disk, state);
      ensure(isGood || state?.name !== 'committed', 'only what passes now is committed');
    }
    if (state !== undefined && fate.chance(15)) {
      const { name } = state;
      state = drive(disk, state, fate.chance(50) ? GAVE_UP : LOOPED, fate);
      ensure(name === 'probation' || state?.name === name, 'at rest nothing goes back by itself');
      checkInvariants(disk, state);
    }
    if (state !== undefined && fate.chance(15)) {
      const before = state;
      state = drive(disk, state, { ...LAST_RESORT, to: GOLDEN }, fate);
      ensure(!isOnGolden(before) || state === before, 'from the last resort it goes nowhere');
      checkInvariants(disk, state);
    }
    if (state === undefined) continue;
    seen.add(state.name);
    if (isOnGolden(state)) seen.add('on golden');
    if (fate.chance(15)) {
      const to = release(Math.max(1, sequence - 1));
      const restore = fate.chance(50) ? 'a-snapshot' : undefined;
      state = drive(disk, state, { name: 'rollback-asked', to, reason: 'x', restore }, fate);
    } else {
      sequence += 1;
      const to = release(sequence);
      state = drive(disk, state, { name: 'found', to, asked: fate.chance(30) }, fate);
      if (state?.name === 'staged') state = drive(disk, state, { name: 'activate' }, fate);
    }
    checkInvariants(disk, state);
    if (state !== undefined) seen.add(state.name);
  }
}

function isOnGolden(state: State): boolean {
  return 'golden' in state && state.golden === true;
}

function ensure(condition: boolean, message: string): void {
  if (!condition) throw new Error(message);
}

describe('any walk through the machine', () => {
  it('keeps a known deployment running and commits nothing without a passed probe', () => {
    const seen = new Set<string>();
    const choices = array(integer({ min: 0, max: 255 }), { minLength: 40, maxLength: 400 });
    assert(
      property(choices, (bytes) => live(bytes, seen)),
      { numRuns: 3000, seed: 7 },
    );
    expect([...seen].toSorted()).toStrictEqual(
      [
        ...['idle', 'probation', 'committed', 'rolled-back', 'degraded', 'drift', 'on golden'],
        ...['prepared', 'switched', 'restarted', 'rolling-back'].map((each) => `resumed ${each}`),
      ].toSorted(),
    );
  });
});
