/**
 * What every command that changes something does first: finish or undo what an
 * earlier run left, and look again at what is not settled for good.
 */
import { messageOf } from '@landfall/errors';
import { refuseCorrupt } from './corrupt.ts';
import { probeInstalled } from './effects/probe.ts';
import { startLeftStopped } from './effects/quiesce.ts';
import { removeLeftovers } from './effects/tidy.ts';
import { UpdaterError } from './errors.ts';
import type { Deployment, Outcome } from './facts.ts';
import { judgeLastResort } from './golden.ts';
import { findLostFloors } from './lost-floors.ts';
import { findHarm } from './heal/harm.ts';
import { heal } from './heal/heal.ts';
import { putBackLink, recoverGone, startWithLink } from './heal/gone.ts';
import { stopIfTold, timestamp, type Host } from './host.ts';
import type { Degraded, Probation, Resting, Settled, State } from './machine.ts';
import { findCrashLoop, probationLeft } from './probation.ts';
import { readAdoption } from './records/adoption-file.ts';
import { stateOfMarker, type Marker } from './records/marker-file.ts';
import { drive } from './runner.ts';
import { findWait, postpone, stopWaiting } from './waiting.ts';

/** Told and true end of a probation may differ by this much before the former is corrected. */
const CLOCK_SLACK_MS = 60_000;

/** The state that holds when nothing is left to finish. */
export interface Settlement {
  state: Settled;
  /** The deployment that was left just now, because it did not pass. */
  left?: Deployment | undefined;
  /** What runs, where nothing called for probing it just now: what its proof says is from before. */
  unprobed?: Deployment | undefined;
}

/** How it is settled. */
export interface SettleOptions {
  /** Mirrors may be asked for files that are missing of what runs. */
  online: boolean;
  /** What is degraded is probed after growing waits only: for what runs by itself, again and again. */
  patient?: boolean;
  /** An operator waits: what runs is read as a whole at a later look. */
  hasty?: boolean;
}

/**
 * Settles. Throws `UpdaterError` STATE_CORRUPT when a state file is corrupt,
 * or was and nobody looked at it yet.
 */
export async function settle(host: Host, options: SettleOptions): Promise<Settlement> {
  refuseCorrupt(host);
  const { marker, state: before, linked } = begin(host);
  if (marker !== undefined) return resume(host, marker);
  const adoption = readAdoption(host.paths);
  if (adoption !== undefined && adoption.committed === undefined) {
    host.note(
      "an adoption is not finished: 'updater adopt' goes on, 'updater adopt --undo' takes it back",
    );
    return { state: before };
  }
  await startLeftStopped(host);
  if (linked !== undefined) await startWithLink(host, linked);
  if (host.store.lost === 'deployment') {
    const after = asSettled(await recoverGone(host, options.online));
    if (after !== before) return { state: after, left: leftIn(after, before) };
  }
  const isWhole = await healQuietly(host, options);
  const { state } = host.store;
  if (state.name === 'probation') return watch(host, state);
  const wait =
    options.patient === true && state.name === 'degraded'
      ? findWait(host, 'probe', state.running.deployment)
      : undefined;
  const looked =
    state.name === 'degraded' && wait === undefined ? await lookAgain(host, state) : state;
  const settled =
    looked.name === 'degraded' || !isWhole ? await orGolden(host, looked) : { state: looked };
  return settled.state === state ? { ...settled, unprobed: state.running?.deployment } : settled;
}

/** Leaves `state` for the golden deployment when nothing else is of use. */
async function orGolden(host: Host, state: Settled): Promise<Settlement> {
  const event = judgeLastResort(host, state);
  if (event === undefined) return { state };
  const after = asSettled((await drive(host, state, event)).state);
  return { state: after, left: leftIn(after, state) };
}

/** What an earlier run left, and what the link leads to that was put back just now, if it was. */
interface Beginning {
  marker: Marker | undefined;
  state: Settled;
  linked?: Deployment | undefined;
}

/** Clears what died half-way before any marker, believes `current` over `state.json`, and puts it back where it is gone. */
export function begin(host: Host): Beginning {
  const { store } = host;
  try {
    removeLeftovers(host);
  } catch (error) {
    // A disk that takes no writes must not keep a broken release running.
    host.note(`going on without it: ${messageOf(error)}`);
  }
  if (store.drift !== undefined) {
    host.note(store.drift);
    host.journal.append({ at: timestamp(), drift: store.drift });
    store.saveState(store.state);
  }
  keepLostFloors(host);
  const linked = store.lost === 'link' ? store.state.running?.deployment : undefined;
  if (linked !== undefined) putBackLink(host, linked);
  return { marker: store.marker, state: store.state, linked };
}

/** Says that the state folder went back, or was lost, and keeps what is still known of the floor. */
function keepLostFloors(host: Host): void {
  const { store, journal } = host;
  const lost = findLostFloors(store, journal);
  if (lost === undefined) return;
  host.note(lost);
  try {
    const at = timestamp();
    store.floorKeeper.keepLost(lost, at);
    journal.append({ at, alarm: 'state restored', reason: lost });
  } catch (error) {
    // What runs may be broken, and must be left all the same.
    host.note(`going on without it: ${messageOf(error)}`);
  }
}

/**
 * What cannot be healed must not keep what follows from being done. Resolves to
 * whether nothing speaks against that what runs is as it was installed: where nobody looks, nothing does.
 */
async function healQuietly(host: Host, { online, hasty = false }: SettleOptions): Promise<boolean> {
  if (!host.config.heal.enabled) return true;
  try {
    const report = await heal(host, { online, hasty });
    return report?.problems.length === 0;
  } catch (error) {
    stopIfTold(host.signal);
    host.note(`what runs could not be looked at: ${messageOf(error)}`);
    return false;
  }
}

/** Finishes or undoes the activation or the rollback that `marker` tells of. */
export async function resume(host: Host, marker: Marker): Promise<Settlement> {
  const { store, paths } = host;
  const { to, phase, attempt } = marker;
  host.note(`an earlier run stopped at ${to.version}, '${phase}', attempt ${attempt}: going on`);
  const current =
    store.current.kind === 'deployment' ? store.describe(store.current.id) : undefined;
  const toWhole = phase !== 'rolling-back' && findHarm(paths, to) === undefined;
  const rest = restOf(store.state);
  const event = { name: 'resumed' as const, current, toWhole, at: timestamp() };
  const { state } = await drive(host, stateOfMarker(marker, rest), event);
  const after = asSettled(state);
  // Undone before the switch, or left to an operator who moved `current`: neither takes a probe.
  const unprobed = after === rest || after.name === 'idle' ? after.running?.deployment : undefined;
  return { state: await settleProbation(host, after), left: leftIn(after, rest), unprobed };
}

/** Commits a probation whose time is over, on the word of a probe that passed just now. */
export async function settleProbation(
  host: Host,
  state: Settled,
  outcome: Outcome | undefined = state.running?.proof,
): Promise<Settled> {
  if (state.name !== 'probation' || outcome === undefined) return state;
  if (probationLeft(host, state.running.deployment) > 0) return state;
  const { rank, reason } = outcome;
  const event = { name: 'probation-over' as const, outcome: { rank, reason }, at: timestamp() };
  return asSettled((await drive(host, state, event)).state);
}

/** Throws for a state that a run must not end in; a fault of this program. */
export function asSettled(state: State): Settled {
  switch (state.name) {
    case 'available':
    case 'staged':
    case 'pending-verification':
    case 'rolling-back':
      throw new UpdaterError('MACHINE', `stopped in state '${state.name}' with nothing to do`);
    default:
      return state;
  }
}

async function watch(host: Host, state: Probation): Promise<Settlement> {
  const { deployment } = state.running;
  host.note(`${deployment.version} is in probation until ${state.until}: probing again`);
  const loop = await findCrashLoop(host, deployment);
  if (loop !== undefined) {
    const event = { name: 'crash-looped' as const, ...loop, at: timestamp() };
    const after = asSettled((await drive(host, state, event)).state);
    return { state: after, left: leftIn(after, state) };
  }
  const outcome = await probeInstalled(host, deployment, host.config.probe.window);
  const until = endOf(state, probationLeft(host, deployment));
  const event = { name: 'probed' as const, outcome, at: timestamp(), until };
  const after = asSettled((await drive(host, state, event)).state);
  return { state: await settleProbation(host, after, outcome), left: leftIn(after, state) };
}

/** When the probation ends by the wall clock: as it was told, unless the clock was set or the machine was off. */
function endOf({ until }: Probation, left: number): string {
  const told = Date.parse(until) - Date.now();
  return Math.abs(told - left) < CLOCK_SLACK_MS || left === 0 ? until : timestamp(left);
}

async function lookAgain(host: Host, state: Degraded): Promise<Settled> {
  const { deployment } = state.running;
  host.note(`degraded: probing ${deployment.version} again`);
  const outcome = await probeInstalled(host, deployment, 0);
  const at = timestamp();
  const after = asSettled(
    (await drive(host, state, { name: 'probed', outcome, at, until: at })).state,
  );
  if (after.name === 'degraded') postpone(host, 'probe', deployment, after.reason);
  else stopWaiting(host, 'probe', deployment);
  return after;
}

/** The deployment that was left between two settled states, if one was. */
export function leftIn(after: Settled, before: Settled): Deployment | undefined {
  if (after === before) return undefined;
  if (after.name === 'rolled-back') return after.failed;
  return after.name === 'degraded' ? (after.failed ?? after.running.deployment) : undefined;
}

/** The state at rest that an activation interrupts. */
export function restOf(state: Settled): Resting {
  return state.name === 'probation' ? { name: 'committed', running: state.running } : state;
}
