/** Where everything stands on a node: docs/formats.md. */
import { join } from 'node:path';

/** Absolute paths. */
export interface Paths {
  root: string;
  /** The one symlink that says what runs. */
  current: string;
  deployments: string;
  /** What was found in a deployment and is not of its release; kept for the operator. */
  aside: string;
  /** The link that says which updater starts, and the one it took over from. */
  updater: string;
  previousUpdater: string;
  /** What `floor` says once more, for when the state is lost or restored. */
  floorCopy: string;
  state: string;
  stateFile: string;
  marker: string;
  floor: string;
  quarantine: string;
  /** The steps from the pinned root document to the newest that is known. */
  trust: string;
  /** The newest halt file that was seen. */
  halts: string;
  /** The deployment that is the last resort. */
  golden: string;
  /** What waits before it is tried again. */
  attempts: string;
  /** What was seen of a release in probation. */
  watch: string;
  /** What the last look at the mirrors found; never decided from. */
  lastCheck: string;
  /** What mirrors served of their index. */
  seen: string;
  /** A person wants nothing installed. */
  hold: string;
  /** Whoever changes `hold` has this lock for that moment. */
  holdLock: string;
  /** When releases were seen and installed. */
  pace: string;
  /** Tells this node from others, for rollouts in steps. */
  nodeId: string;
  /** What was stopped for a switch and is to be started again. */
  quiesced: string;
  /** The snapshots of the data that were made here. */
  snapshots: string;
  /** What each deployment consists of: `<id>.json`. */
  inventories: string;
  /** What was checked and repaired lately. */
  healFile: string;
  /** Which deltas were tried. */
  deltas: string;
  /** What was adopted, and how it is undone. */
  adoption: string;
  /** Which new updaters were tried here. */
  updaterFile: string;
  journal: string;
  lock: string;
  downloads: string;
  logs: string;
}

/** The files below `root` (what is served) and `state` (what the updater knows). */
export function pathsOf(root: string, state: string): Paths {
  return {
    root,
    current: join(root, 'current'),
    deployments: join(root, 'deployments'),
    aside: join(root, 'aside'),
    updater: join(root, 'updater'),
    previousUpdater: join(root, 'updater.previous'),
    floorCopy: join(root, 'floor.json'),
    state,
    stateFile: join(state, 'state.json'),
    marker: join(state, 'pending-verification.json'),
    floor: join(state, 'floor.json'),
    quarantine: join(state, 'quarantine.json'),
    trust: join(state, 'trust'),
    halts: join(state, 'halt.json'),
    golden: join(state, 'golden.json'),
    attempts: join(state, 'attempts.json'),
    watch: join(state, 'watch.json'),
    lastCheck: join(state, 'last-check.json'),
    seen: join(state, 'seen.json'),
    hold: join(state, 'hold.json'),
    holdLock: join(state, 'hold.lock'),
    pace: join(state, 'pace.json'),
    nodeId: join(state, 'node-id'),
    quiesced: join(state, 'quiesced.json'),
    snapshots: join(state, 'snapshots.json'),
    inventories: join(state, 'inventories'),
    healFile: join(state, 'heal.json'),
    deltas: join(state, 'deltas.json'),
    adoption: join(state, 'adoption.json'),
    updaterFile: join(state, 'updater.json'),
    journal: join(state, 'journal.jsonl'),
    lock: join(state, 'lock'),
    downloads: join(state, 'downloads'),
    logs: join(state, 'logs'),
  };
}
