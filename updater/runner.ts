/**
 * Carries the machine's effects out, one after the other. Each is on the disk,
 * and has its line in the journal, before the next begins; the journal is synced
 * with each event that effects follow from. Decides nothing:
 * what an effect's end or failure means is the machine's to say.
 *
 * A crash anywhere in here is the machine's event `resumed` at the next start.
 * The code of the effects is loaded with the first: most starts have none.
 */
import { crashPoint } from '@landfall/cli';
import { messageOf } from '@landfall/errors';
import { ReleaseRefusal, UpdaterError } from './errors.ts';
import { stopIfTold, timestamp, type Host } from './host.ts';
import type { Running } from './facts.ts';
import { next, type Effect, type Event, type State, type Step } from './machine.ts';
import type { Offer } from './offer.ts';

/** Where it ended. */
export interface Result {
  state: State;
  /** What the machine said when the first event did not fit. */
  refused?: string;
  /** A hold, or a window that closed, kept it from being activated: what runs was not touched. */
  held?: Event & { name: 'held' };
  /** The first effect that could not be carried out, when the machine found a way on. */
  error?: unknown;
}

/**
 * Feeds `event` to the machine in `state`, and every event that follows, until
 * nothing follows. Throws what the machine has no way on from, with the marker
 * left for the next start; `UpdaterError` INTERRUPTED when told to stop.
 */
export async function drive(
  host: Host,
  state: State,
  event: Event,
  offer?: Offer,
): Promise<Result> {
  const result: Result = { state };
  let pending: Event | undefined = event;
  while (pending !== undefined) {
    const step = next(result.state, pending);
    if ('refused' in step) {
      if (pending === event) return { ...result, refused: step.refused };
      throw result.error ?? new UpdaterError('MACHINE', step.refused);
    }
    const from = result.state;
    const told: Event = pending;
    result.state = step.state;
    if (told.name === 'held') result.held = told;
    const run: Run = { host, result, goesBack: goesBack(from, step.state) };
    pending = await attempt(run, undefined, () => record(host, from, told, step));
    pending ??= await runEffects(run, step.effects, offer);
  }
  return result;
}

/** The effects of one step. */
interface Run {
  host: Host;
  result: Result;
  /** They leave a release that may not work: a full disk must not keep it running. */
  goesBack: boolean;
}

/** Whether a step leaves a release: rolls back, or undoes a switch that was not finished. */
function goesBack(from: State, to: State): boolean {
  if (to.name === 'rolling-back') return true;
  return from.name === 'pending-verification' && to === from.rest;
}

/** Runs effects until one tells an event, or fails. */
async function runEffects(
  run: Run,
  effects: readonly Effect[],
  offer: Offer | undefined,
): Promise<Event | undefined> {
  for (const effect of effects) {
    const event = await attempt(run, effect, () => runEffect(run, effect, offer));
    if (event !== undefined && isAwaited(event, run.result.state)) return event;
  }
  return undefined;
}

/** A failure is an event too, where the state has one for it; else it is thrown. */
async function attempt(
  run: Run,
  effect: Effect | undefined,
  act: () => Promise<Event | undefined> | undefined,
): Promise<Event | undefined> {
  const { host, result } = run;
  try {
    return await act();
  } catch (error) {
    stopIfTold(host.signal);
    if (error instanceof UpdaterError && error.code === 'INTERRUPTED') throw error;
    result.error ??= error;
    const event = eventOfFailure(run, effect, error);
    if (event === undefined) host.note(`going on without it: ${messageOf(error)}`);
    return event;
  }
}

async function runEffect(
  run: Run,
  effect: Effect,
  offer: Offer | undefined,
): Promise<Event | undefined> {
  const { host, result } = run;
  const started = performance.now();
  const { carryOut } = await import('./effects/carry-out.ts');
  const event = await carryOut(host, effect, offer);
  crashPoint(`did-${nameOf(effect)}`);
  const ms = Math.round(performance.now() - started);
  const line = {
    at: timestamp(),
    effect: nameOf(effect),
    state: result.state.name,
    ...detailOf(effect),
    ms,
  };
  appendToJournal(run, event === undefined ? line : { ...line, told: event });
  crashPoint(`journalled-${nameOf(effect)}`);
  return event;
}

/** Undoing switches back too, and is over with that: nobody waits for its event. */
function isAwaited(event: Event, state: State): boolean {
  const inProgress = state.name === 'pending-verification' || state.name === 'rolling-back';
  return inProgress || event.name !== 'switched';
}

/** Undefined: what failed can be done without. Throws `error` when the state has no event for it. */
function eventOfFailure(
  { result: { state }, goesBack: isBack }: Run,
  effect: Effect | undefined,
  error: unknown,
): Event | undefined {
  const reason = messageOf(error);
  switch (state.name) {
    case 'available':
    case 'staged':
      return {
        name: 'abandoned',
        reason,
        artifact: error instanceof ReleaseRefusal ? error.artifact : undefined,
      };
    case 'pending-verification':
      return { name: 'failed', reason };
    case 'rolling-back':
      // Going back needs neither marker nor journal.
      if (effect === undefined) return undefined;
      // But the golden deployment is gone to only when a start that follows would know of it.
      if (effect.kind === 'write-marker' && effect.marker.golden === true) {
        return { name: 'lost', reason, at: timestamp() };
      }
      if (isDispensable(effect)) return undefined;
      if (error instanceof UpdaterError && error.code === 'DEPLOYMENT') {
        return { name: 'lost', reason, at: timestamp() };
      }
      throw error;
    default:
      if (isBack && effect === undefined) return undefined;
      throw error;
  }
}

/** What a rollback goes on without: the release that does not work must be left. */
function isDispensable({ kind }: Effect): boolean {
  return kind === 'write-marker' || kind === 'quiesce' || kind === 'restore-snapshot';
}

/** What follows from an event begins when its line, and those before it, are on the disk. */
function record(host: Host, from: State, event: Event, { state: to, effects }: Step): undefined {
  const { name, ...facts } = event;
  // A state that stays, or is gone back to, has its reason from before; this event has its own.
  const isUndone = 'rest' in from && to === from.rest;
  const reason = to !== from && !isUndone && 'reason' in to ? { reason: to.reason } : {};
  const about = isUndone ? from : to;
  const line = {
    at: timestamp(),
    event: name,
    state: from.name,
    next: to.name,
    version: name === 'service-failed' && 'running' in to ? running(to) : versionOf(about),
    ...facts,
    ...reason,
  };
  host.journal.append(line, { sync: effects.length > 0 });
}

function appendToJournal({ host, goesBack: isBack }: Run, line: Record<string, unknown>): void {
  try {
    host.journal.append(line, { sync: false });
  } catch (error) {
    if (!isBack) throw error;
    host.note(`going on without it: ${messageOf(error)}`);
  }
}

/** At rest it is what runs that a service failed in, not what was left before. */
function running(state: State & { running?: Running | undefined }): string | undefined {
  return state.running?.deployment.version;
}

/** The version a state is about. */
function versionOf(state: State): string | undefined {
  if ('to' in state) return state.to.version;
  if ('failed' in state && state.failed !== undefined) return state.failed.version;
  return 'running' in state ? state.running?.deployment.version : undefined;
}

function nameOf(effect: Effect): string {
  return effect.kind === 'write-marker' ? `write-marker-${effect.marker.phase}` : effect.kind;
}

function detailOf(effect: Effect): Record<string, unknown> {
  switch (effect.kind) {
    case 'switch':
      return { deployment: effect.to?.id ?? null };
    case 'restart-services':
    case 'probe':
    case 'quarantine':
    case 'postpone':
    case 'watch':
      return { deployment: effect.deployment?.id };
    case 'snapshot':
      return { deployment: effect.to.id };
    case 'restore-snapshot':
      return { snapshot: effect.name };
    case 'write-marker':
      return { attempt: effect.marker.attempt };
    default:
      return {};
  }
}
