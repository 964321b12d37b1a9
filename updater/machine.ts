/**
 * What the updater may be doing, as facts, and what follows from what happened.
 *
 * Pure: no clock, no disk, no randomness. Times and findings come in with
 * events; what is to be done goes out as effects, in order, and the last one
 * tells what became of it with the next event. `next` is total: a pair that
 * makes no sense is a refusal, and the state stays.
 *
 * A crash between two effects is undone or finished by the event `resumed`,
 * from the marker that `write-marker` left. Before that effect nothing has
 * changed; after `remove-marker` nothing is pending.
 */

import type { Blame, Deployment, Outcome, Phase, Running } from './facts.ts';
import { nextBeforeMarker, nextAtRest, nextPending, nextProbation } from './forward.ts';
import { nextRollingBack } from './rolling-back.ts';

/**
 * The states.
 *
 * ```
 *            found               cleared, staged            activate
 *  at rest ─────────▶ available ─────────────────▶ staged ─────────────┐
 *     ▲                   │ abandoned                │ abandoned       │
 *     ├───────────────────┴──────────────────────────┘                 ▼
 *     │      undone: held, failed, resumed before the switch pending-verification
 *     ├───────────────────────────────────────────────────── prepared → switched →
 *     │                                                      restarted
 *     │  probation-over            probed: healthy, or no worse │   │ probed: worse
 *  committed ◀─────────── probation ◀───────────────────────────┘   │ restart-failed
 *     │                       │ probed: worse                       │ failed
 *     │                       │ service-failed, crash-looped        │ service-failed
 *     │ rollback-asked        │ rollback-asked                      │ resumed too often
 *     └───────────────────────┴──────────────▶ rolling-back ◀───────┘
 *                                               │        │
 *                          probed: healthy      │        │  probed: not healthy
 *                          (or nothing before)  ▼        ▼  (or nothing to go back to)
 *                                        rolled-back ◀── degraded
 *                                                 probed: healthy
 *  at rest: idle, committed, rolled-back, degraded
 *
 *  rolling-back ── probed: not healthy, or damaged; lost ──▶ seek-golden ── golden: none ──▶ degraded
 *     ▲                                                          │
 *     │ last-resort (at rest: nothing else is of use)            │ golden: to
 *     └──────────────── to the golden deployment, once ◀─────────┘
 * ```
 *
 * At rest nothing goes back by itself: what happens then (`service-failed`,
 * `crash-looped`) is written down, and only an operator's `rollback-asked` leaves
 * what runs; `gone` and `last-resort` leave what is not there to run.
 */
export type State = Resting | Available | Staged | PendingVerification | Probation | RollingBack;

/** States in which nothing is in progress. */
export type Resting = Idle | Committed | RolledBack | Degraded;

/** States that `state.json` may hold. The others are told by the marker, or begin again. */
export type Settled = Resting | Probation;

/** Nothing was activated here yet, or `current` was changed by hand. */
export interface Idle {
  name: 'idle';
  running?: Running | undefined;
}

/** A release that this node would take. */
export interface Available {
  name: 'available';
  rest: Resting;
  to: Deployment;
  baseline?: Outcome | undefined;
}

/** It stands whole on the disk, checked, beside what runs. */
export interface Staged {
  name: 'staged';
  rest: Resting;
  to: Deployment;
  baseline?: Outcome | undefined;
}

/** The marker stands: `to` is being switched to, or was and has no verdict. */
export interface PendingVerification {
  name: 'pending-verification';
  rest: Resting;
  from?: Deployment | undefined;
  to: Deployment;
  phase: Phase;
  /** Processes that tried to reach a verdict, this one included. */
  attempt: number;
  /** The probe of `from` before the update; undefined on a first install. */
  baseline?: Outcome | undefined;
}

/** It passed and is watched for a while longer. */
export interface Probation {
  name: 'probation';
  running: Running;
  baseline?: Outcome | undefined;
  /** ISO time in UTC. */
  until: string;
}

/** It passed, and stays. */
export interface Committed {
  name: 'committed';
  running: Running;
}

/** The marker stands: `failed` is being left for `back` (nothing, on a first install). */
export interface RollingBack {
  name: 'rolling-back';
  back?: Deployment | undefined;
  failed: Deployment;
  reason: string;
  blame: Blame;
  attempt: number;
  /** The probe of `back` before `failed` was installed, where that is known. */
  baseline?: Outcome | undefined;
  /** Name of the data's snapshot that an operator wants back, before anything else. */
  restore?: string | undefined;
  /** Why the services did not come up on `back`. */
  restartFailed?: string | undefined;
  /** `back` is the golden deployment, the last resort: there is nothing after it. */
  golden?: boolean | undefined;
  /** What was to be gone back to before that, and was of no use. */
  unusable?: Deployment | undefined;
  /** How it ends without a golden deployment. `current` is at `at`; `lost`: the switch did not take place. */
  otherwise?:
    | { rest: RolledBack | Degraded; blame: Blame; at: Deployment; lost: boolean }
    | undefined;
}

/** `failed` was left; what ran before runs again and is healthy. */
export interface RolledBack {
  name: 'rolled-back';
  running?: Running | undefined;
  failed: Deployment;
  reason: string;
  /** What runs is the golden deployment, gone to as the last resort. */
  golden?: boolean | undefined;
}

/** What runs does not pass, and there is nothing better: it is left as it is. */
export interface Degraded {
  name: 'degraded';
  running: Running;
  failed?: Deployment | undefined;
  reason: string;
  /** As in `RolledBack`: it does not pass either. */
  golden?: boolean | undefined;
}

/** What keeps a release that is staged from being switched to. */
export type HeldCode = 'held' | 'outside-window';

/** What happened. `at` and `until` are ISO times in UTC. */
export type Event =
  /** A release is to be installed. `asked`: it cannot wait, a person named it or what runs was withdrawn. */
  | { name: 'found'; to: Deployment; asked: boolean }
  /** Nothing stands against installing it. */
  | { name: 'cleared'; baseline?: Outcome | undefined }
  | { name: 'staged' }
  /** It could not be staged; nothing had been changed. `artifact`: digest of the one that no node can take. */
  | { name: 'abandoned'; reason: string; artifact?: string | undefined }
  /** `despiteHold`: a person wants it although a hold stands. `atAnyTime`: no window is waited for. */
  | { name: 'activate'; despiteHold?: boolean | undefined; atAnyTime?: boolean | undefined }
  | { name: 'marked' }
  /** A hold was begun, or the last window closed, before the marker stood, which was not written. `until`: when it may pass. */
  | {
      name: 'held';
      code: HeldCode;
      reason: string;
      hint?: string | undefined;
      until?: string | undefined;
    }
  | { name: 'switched' }
  | { name: 'restarted'; at: string }
  /** `blame`: whose fault it is; the release's unless told. */
  | { name: 'restart-failed'; reason: string; blame?: Blame | undefined; at: string }
  /** `damage`: why it is not whole on the disk, where that was asked. */
  | { name: 'probed'; outcome: Outcome; at: string; until: string; damage?: string | undefined }
  /** It was watched for as long as it was to be. `outcome`: the last probe, of this start of the machine. */
  | { name: 'probation-over'; outcome: Outcome; at: string }
  /** A service started again by itself `restarts` times in probation, which is too often. */
  | { name: 'crash-looped'; service: string; restarts: number; at: string }
  /** A service gave up: its manager will not start it again. `service` is its name there. */
  | { name: 'service-failed'; service: string; reason: string; at: string }
  /** What runs is not on the disk any more. `to`: what is there in its place, if anything is. */
  | { name: 'gone'; to?: Deployment | undefined; reason: string }
  /** `restore`: name of the data's snapshot that is to come back with it. */
  | { name: 'rollback-asked'; to: Deployment; reason: string; restore?: string | undefined }
  /** Neither what runs nor what ran before it is of use, and there is the golden deployment `to`. */
  | { name: 'last-resort'; to: Deployment; reason: string; at: string }
  /** The golden deployment, if one is pinned, whole, and not known to be bad. */
  | { name: 'golden'; to?: Deployment | undefined; at: string }
  /** This machine could not carry an effect out. */
  | { name: 'failed'; reason: string }
  /** The deployment to go back to is not on the disk. */
  | { name: 'lost'; reason: string; at: string }
  /** A start found a marker. `current`: what the link points at; `toWhole`: all of it is there, as it was signed. */
  | { name: 'resumed'; current?: Deployment | undefined; toWhole: boolean; at: string };

/** What the marker says. While rolling back, `from` is where it goes and `to` what is left. */
export interface MarkerFacts {
  from?: Deployment | undefined;
  to: Deployment;
  phase: Phase | 'rolling-back';
  attempt: number;
  baseline?: Outcome | undefined;
  reason?: string | undefined;
  blame?: Blame | undefined;
  restore?: string | undefined;
  golden?: boolean | undefined;
  unusable?: Deployment | undefined;
}

/** What is to be done. Each is durable before the next begins. */
export type Effect =
  | { kind: 'preflight'; from?: Deployment | undefined; to: Deployment }
  | { kind: 'stage'; to: Deployment }
  /** The first of an activation is not written while a hold stands (unless `despiteHold`), nor outside windows (unless `atAnyTime`). */
  | {
      kind: 'write-marker';
      marker: MarkerFacts;
      despiteHold?: boolean | undefined;
      atAnyTime?: boolean | undefined;
    }
  | { kind: 'remove-marker' }
  /** Stop what must not run during a switch; what is stopped already stays so. */
  | { kind: 'quiesce' }
  /** Start what was stopped, without a switch. After one, `restart-services` does. */
  | { kind: 'unquiesce' }
  /** Of the data, before `to` may change it. */
  | { kind: 'snapshot'; from?: Deployment | undefined; to: Deployment }
  /** `again`: an earlier attempt may have got as far as this. */
  | { kind: 'restore-snapshot'; name: string; again: boolean }
  /** Undefined: remove `current`. */
  | { kind: 'switch'; to?: Deployment | undefined }
  /** And start what was stopped, after them. */
  | { kind: 'restart-services'; deployment?: Deployment | undefined }
  /** `whole`: it is gone back to; it has a window of its own, and its bytes on the disk are looked at as well. */
  | { kind: 'probe'; deployment: Deployment; whole?: boolean }
  /** Is there a golden deployment that is none of these ids? */
  | { kind: 'seek-golden'; beside: string[] }
  /** `artifact`: its bytes are to blame. Else the content is, which was on the disk whole. */
  | { kind: 'quarantine'; deployment: Deployment; reason: string; artifact?: string }
  /** This machine is to blame: the same release is tried again, but not at once. */
  | { kind: 'postpone'; deployment: Deployment; reason: string }
  | { kind: 'save-state'; state: Settled }
  /** From now on it is noticed when a service starts by itself. */
  | { kind: 'watch'; deployment: Deployment }
  | { kind: 'tidy' };

/** The state that follows, and what is to be done for it, in this order. */
export interface Step {
  state: State;
  effects: Effect[];
}

/** The event does not fit the state, or must not happen in it; the state stays. */
export interface Refusal {
  refused: string;
}

/** What follows from `event` in `state`. */
export function next(state: State, event: Event): Step | Refusal {
  switch (state.name) {
    case 'idle':
    case 'committed':
    case 'rolled-back':
    case 'degraded':
      return nextAtRest(state, event);
    case 'available':
    case 'staged':
      return nextBeforeMarker(state, event);
    case 'pending-verification':
      return nextPending(state, event);
    case 'probation':
      return nextProbation(state, event);
    default:
      return nextRollingBack(state, event);
  }
}
