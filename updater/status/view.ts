/**
 * Everything that is known about a node, without asking anybody: what `status
 * --json` prints, and what its screen is made of. Reads; changes nothing.
 */
import type { LockHolder } from '@landfall/durable';
import type { Halted } from '@landfall/manifest';
import type { SnapshotConfig } from '../config-hooks.ts';
import { UpdaterError } from '../errors.ts';
import { keptHalts } from '../halts.ts';
import type { Host } from '../host.ts';
import { findHolder } from '../lock.ts';
import { findLostFloors } from '../lost-floors.ts';
import type { Settled } from '../machine.ts';
import { indexOf } from '../offer.ts';
import { jitterOf } from '../policy/jitter.ts';
import { judgeWindows, type WindowState } from '../policy/windows.ts';
import { readAttempts, waitLeft, type Attempt } from '../records/attempts-file.ts';
import { readClock, type Clock } from '../records/clock.ts';
import { findFloor, type FloorEntry } from '../records/floor-file.ts';
import { readGolden, type Golden } from '../records/golden-file.ts';
import { type Adoption, readAdoption } from '../records/adoption-file.ts';
import { readHealFile, type HealFile } from '../records/heal-file.ts';
import { readHold, type Held } from '../records/hold-file.ts';
import { readLastCheck, type LastCheck } from '../records/last-check-file.ts';
import type { Marker } from '../records/marker-file.ts';
import { readPace, recentInstalls } from '../records/pace-file.ts';
import type { QuarantineEntry } from '../records/quarantine-file.ts';
import { readQuiesced, type Quiesced } from '../records/quiesced-file.ts';
import { readSnapshots, type SnapshotEntry } from '../records/snapshot-file.ts';
import { readRootFile, type RootFile } from '../records/root-file.ts';
import type { DeploymentRecord } from '../records/state-file.ts';
import type { CorruptFile } from '../records/store.ts';
import { snapshotOffered } from '../restore.ts';
import { type UpdaterFacts, updaterFacts } from '../self/words.ts';
import { adviceFor, type Advice } from './advice.ts';
import { type Refusal, standingRefusal } from './standing.ts';

/** That the state was restored stays on the screen for so long; the history keeps it. */
const RESTORED_SHOWN_MS = 7 * 86_400_000;

/** A release that is tried again later, because of this machine. */
export type Wait = Pick<Attempt, 'version' | 'reason' | 'at' | 'count'> & { leftMs: number };

/** The state of a node; undefined (null in JSON) is what does not apply. */
export interface StatusView {
  app: string;
  state: Settled;
  running: Settled['running'] | null;
  inProgress: Marker | null;
  atWork: LockHolder | null;
  drift: string | null;
  lost: 'link' | 'deployment' | null;
  heal: HealFile | null;
  /** One that is not finished. */
  adoption: Pick<Adoption, 'began' | 'deployment'> | 'corrupt' | null;
  corrupt: readonly CorruptFile[];
  floor: FloorEntry | null;
  /** The state was found to be older than it was, or lost. */
  restored: { at: string; reason: string } | null;
  /** As it was then. */
  lastCheck: LastCheck | null;
  /** Why the newest release was not installed then, unless that is known to hold no longer. */
  refusal: Refusal | null;
  quarantine: readonly QuarantineEntry[];
  deployments: readonly DeploymentRecord[];
  /** What is pinned as the last resort. */
  golden: Golden | 'corrupt' | null;
  held: Held | null;
  /** That what runs was halted by its maintainer. */
  halted: Halted | null;
  /** Null without `[[windows]]`. */
  windows: WindowState | null;
  waits: readonly Wait[];
  pace: {
    /** When what is on offer was first seen, and when its turn comes; with `jitter` only. */
    seen: { digest: string; at: string; due: string } | null;
    installsInADay: number;
    maxPerDay: number | null;
  };
  snapshots: readonly SnapshotEntry[];
  snapshotType: SnapshotConfig['type'] | null;
  /** The one to bring back after the rollback that was. */
  snapshotOffered: string | null;
  /** Services that are stopped for a switch, or were left so. */
  stopped: Quiesced | 'corrupt' | null;
  webUser: string | null;
  updater: UpdaterFacts;
  /** What is known of root documents: null on a node that trusts configured keys, `unasked` before the first look. */
  trust: RootFile | 'unasked' | null;
  folders: { root: string; current: string; state: string; logs: string };
  advice: Advice;
}

/** Reads it. Throws `DurableError` for what the disk does not let be read. */
export function readStatus(host: Host, clock: Clock = readClock()): StatusView {
  const { config, store, paths } = host;
  const running = store.state.running;
  const hold = readHold(paths.hold, clock);
  const known: Omit<StatusView, 'advice' | 'refusal'> = {
    app: config.app,
    state: store.state,
    running: running ?? null,
    inProgress: store.marker ?? null,
    atWork: findHolder(paths) ?? null,
    drift: store.drift ?? null,
    lost: store.lost ?? null,
    heal: healOf(host) ?? null,
    adoption: adoptionOf(host) ?? null,
    corrupt: store.corrupt,
    floor: findFloor(store.floors, config.app, indexOf(config)) ?? null,
    restored: restoredOf(host, clock) ?? null,
    lastCheck: readLastCheck(paths.lastCheck) ?? null,
    quarantine: store.quarantine.entries,
    deployments: store.deployments,
    golden: readGolden(paths.golden) ?? null,
    halted: haltedOf(host) ?? null,
    held: hold === undefined || 'over' in hold ? null : hold,
    windows: config.windows.length === 0 ? null : judgeWindows(config.windows, clock.now),
    waits: waitsOf(host, clock),
    pace: paceOf(host, clock),
    snapshots: readSnapshots(paths.snapshots),
    snapshotType: config.snapshot?.type ?? null,
    snapshotOffered: snapshotOffered(host)?.name ?? null,
    stopped: readQuiesced(paths.quiesced) ?? null,
    webUser: config.web_user ?? null,
    updater: updaterFacts(host),
    trust: config.trusted_root === undefined ? null : (readRootFile(paths) ?? 'unasked'),
    folders: { root: paths.root, current: paths.current, state: paths.state, logs: paths.logs },
  };
  const view = { ...known, refusal: standingRefusal(known) ?? null };
  return { ...view, advice: adviceFor(view, clock.now) };
}

function haltedOf(host: Host): Halted | undefined {
  const version = host.store.state.running?.deployment.version;
  return version === undefined ? undefined : keptHalts(host).halted.get(version);
}

function restoredOf({ store, journal }: Host, { now }: Clock): StatusView['restored'] | undefined {
  const reason = findLostFloors(store, journal);
  if (reason !== undefined) return { at: now.toISOString(), reason };
  const { restored } = store.floors;
  const age = now.getTime() - Date.parse(restored?.at ?? '');
  return age < RESTORED_SHOWN_MS ? restored : undefined;
}

function healOf({ store, paths, config }: Host): HealFile | undefined {
  const id = store.state.running?.deployment.id;
  return id === undefined || !config.heal.enabled ? undefined : readHealFile(paths.healFile, id);
}

function adoptionOf({ paths }: Host): Adoption | 'corrupt' | undefined {
  try {
    const adoption = readAdoption(paths);
    return adoption?.committed === undefined ? adoption : undefined;
  } catch (error) {
    if (error instanceof UpdaterError) return 'corrupt';
    throw error;
  }
}

function waitsOf({ paths }: Host, clock: Clock): Wait[] {
  return readAttempts(paths.attempts)
    .filter((each) => each.of === 'install')
    .map(({ version, reason, at, count, ...rest }) => {
      const leftMs = waitLeft({ version, reason, at, count, ...rest }, clock);
      return { version, reason, at, count, leftMs };
    });
}

function paceOf({ config, paths }: Host, { now }: Clock): StatusView['pace'] {
  const pace = readPace(paths.pace);
  const seen = config.jitter === 0 ? undefined : pace?.seen;
  const due = (digest: string, at: string): string =>
    new Date(Date.parse(at) + jitterOf(pace?.node ?? '', digest, config.jitter)).toISOString();
  return {
    seen: seen === undefined ? null : { ...seen, due: due(seen.digest, seen.at) },
    installsInADay: recentInstalls(pace, now).length,
    maxPerDay: config.max_per_day ?? null,
  };
}
