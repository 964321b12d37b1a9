/**
 * Everything the updater knows between two runs, read once and written through.
 *
 * A file that cannot be understood is never taken for an absent one: it is
 * moved aside, and as long as it lies there nothing is installed. What runs
 * keeps running.
 */
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { preserveCorruptFile, readJsonFile, removeDurably } from '@landfall/durable';
import type { VerifiedManifest } from '@landfall/trust';
import type { $ZodType } from 'zod/v4/core';
import {
  deploymentPath,
  describeDeployment,
  isDirectory,
  listDeployments,
  readCurrent,
  type Current,
} from '../deployments.ts';
import type { Deployment } from '../facts.ts';
import type { MarkerFacts, Settled } from '../machine.ts';
import type { Paths } from '../paths.ts';
import { type FloorFile, floorFileSchema, type FloorReset } from './floor-file.ts';
import { FloorKeeper } from './floor-keeper.ts';
import { type HaltEntry, haltFileSchema, NO_HALTS, withHalt, writeHaltFile } from './halt-file.ts';
import { markerSchema, writeMarker, type Marker } from './marker-file.ts';
import {
  NO_QUARANTINE,
  type Failure,
  quarantineFileSchema,
  type ReleaseDigests,
  withoutQuarantined,
  withQuarantined,
  writeQuarantineFile,
} from './quarantine-file.ts';
import {
  stateFileSchema,
  withRecord,
  writeStateFile,
  type DeploymentRecord,
  type StateFile,
} from './state-file.ts';

/** A file that could not be understood, now or at an earlier start. */
export interface CorruptFile {
  /** `state.json` … */
  file: string;
  /** Where its bytes are kept. */
  kept: string;
  reason: string;
}

/** What the process may do that opens the store. */
export interface StoreOptions {
  /** Moves corrupt files aside. Without it nothing on the disk is changed. */
  preserve: boolean;
}

/**
 * What is known, for one process. A change is on the disk before it counts here. Throws
 * `DurableError` when the disk cannot be read, or does not take it.
 */
export class Store {
  readonly corrupt: readonly CorruptFile[];
  /** A word about `state.json` and `current` not agreeing, if they do not. */
  readonly drift: string | undefined;
  readonly floorKeeper: FloorKeeper;
  readonly #paths: Paths;
  #current: Current;
  #state: StateFile;
  #marker: Marker | undefined;
  #quarantine = NO_QUARANTINE;
  #halts = NO_HALTS;

  constructor(paths: Paths, options: StoreOptions) {
    this.#paths = paths;
    const corrupt = findPreserved(paths);
    const read = <T>(path: string, schema: $ZodType<T>): T | undefined => {
      const file = readJsonFile(path, schema);
      if (file.state !== 'corrupt') return file.state === 'ok' ? file.value : undefined;
      const kept = options.preserve ? preserveCorruptFile(path) : path;
      corrupt.push({ file: basename(path), kept, reason: file.reason });
      return undefined;
    };
    this.#marker = read(paths.marker, markerSchema);
    this.floorKeeper = new FloorKeeper(paths, read(paths.floor, floorFileSchema));
    this.#quarantine = read(paths.quarantine, quarantineFileSchema) ?? NO_QUARANTINE;
    this.#halts = read(paths.halts, haltFileSchema) ?? NO_HALTS;
    const known = read(paths.stateFile, stateFileSchema);
    this.corrupt = corrupt;
    this.#current = readCurrent(paths);
    this.#state = known ?? adoptDisk(paths);
    this.drift = this.#followLink();
  }

  get current(): Current {
    return this.#current;
  }

  /**
   * What is missing of what runs, when no marker stands: the `link` to it, or
   * the `deployment` itself. The state is then still what was written down.
   */
  get lost(): 'link' | 'deployment' | undefined {
    const { running } = this.state;
    const isGone = this.#current.kind === 'none' || this.#current.kind === 'dangling';
    if (!isGone || this.#marker !== undefined || running === undefined) return undefined;
    return isDirectory(deploymentPath(this.#paths, running.deployment.id)) ? 'link' : 'deployment';
  }

  /** Looks at `current` again, after it was put right. */
  lookAgain(): void {
    this.#current = readCurrent(this.#paths);
  }

  get state(): Settled {
    return this.#state.state;
  }

  get deployments(): readonly DeploymentRecord[] {
    return this.#state.deployments;
  }

  get marker(): Marker | undefined {
    return this.#marker;
  }

  get floors(): FloorFile {
    return this.floorKeeper.file;
  }

  get quarantine(): typeof NO_QUARANTINE {
    return this.#quarantine;
  }

  /** What was seen of halts; believed only where it is verified again: `updater/halts.ts`. */
  get halts(): typeof NO_HALTS {
    return this.#halts;
  }

  /** What is known of the deployment named `id`, which must be on the disk. */
  describe(id: string): Deployment {
    const known = [
      this.#marker?.from,
      this.#marker?.to,
      ...this.#state.deployments.map((each) => each.deployment),
    ].find((each) => each?.id === id);
    try {
      return known ?? describeDeployment(this.#paths, id);
    } catch {
      // It runs, and is not a release: whatever compares digests finds it damaged.
      return { id, version: id, digest: '0'.repeat(64), sequence: 0 };
    }
  }

  saveState(state: Settled): void {
    const { running } = state;
    let file: StateFile = { ...this.#state, state };
    if (running?.proof !== undefined) {
      const { deployment, proof } = running;
      const before = this.#state.deployments.find((each) => each.deployment.id === deployment.id);
      const staged = before?.staged ?? running.since;
      file = withRecord(file, { deployment, staged, verified: proof.at });
    }
    this.#write(file);
  }

  recordStaged(deployment: Deployment, staged: string): void {
    this.#write(withRecord(this.#state, { deployment, staged }));
  }

  forgetDeployments(ids: readonly string[]): void {
    const kept = this.#state.deployments.filter((each) => !ids.includes(each.deployment.id));
    if (kept.length < this.#state.deployments.length) {
      this.#write({ ...this.#state, deployments: kept });
    }
  }

  /** Nothing is changed when `unless` says so, just before the marker would have its name. */
  writeMarker(facts: MarkerFacts, windowMs: number, unless?: () => boolean): void {
    const before = this.#marker;
    this.#marker = writeMarker(this.#paths.marker, facts, before, windowMs, unless) ?? before;
  }

  removeMarker(): void {
    removeDurably(this.#paths.marker);
    this.#marker = undefined;
  }

  raiseFloor(index: string, verified: VerifiedManifest, at: string): boolean {
    return this.floorKeeper.raise(index, verified, at);
  }

  /** Sets floors as a root document says; with `write: false` in what this process knows alone. */
  resetFloors(resets: readonly FloorReset[], at: string, options = { write: true }): void {
    this.floorKeeper.reset(resets, at, options);
  }

  keepHalt(entry: HaltEntry): void {
    const file = withHalt(this.#halts, entry);
    writeHaltFile(this.#paths.halts, file);
    this.#halts = file;
  }

  quarantineRelease(failure: Failure, at: string): void {
    const file = withQuarantined(this.#quarantine, failure, at);
    writeQuarantineFile(this.#paths.quarantine, file);
    this.#quarantine = file;
  }

  liftQuarantine(release: ReleaseDigests): void {
    const file = withoutQuarantined(this.#quarantine, release);
    writeQuarantineFile(this.#paths.quarantine, file);
    this.#quarantine = file;
  }

  #write(file: StateFile): void {
    writeStateFile(this.#paths.stateFile, file);
    this.#state = file;
  }

  /** Without a marker, the link is what runs: if a hand moved it, that is what is believed; one that is gone says nothing. */
  #followLink(): string | undefined {
    if (this.#marker !== undefined) return undefined;
    const recorded = this.state.running?.deployment;
    const linked = this.current.kind === 'deployment' ? this.current.id : undefined;
    if (recorded?.id === linked || this.lost !== undefined) return undefined;
    const since = new Date().toISOString();
    const running = linked === undefined ? undefined : { deployment: this.describe(linked), since };
    this.#state = { ...this.#state, state: { name: 'idle', running } };
    return `'current' was changed by hand: expected ${recorded?.id ?? 'nothing'}, found ${linked ?? this.current.kind}`;
  }
}

/** Files that an earlier start moved aside and nobody has dealt with. */
function findPreserved(paths: Paths): CorruptFile[] {
  if (!existsSync(paths.state)) return [];
  const files = [paths.stateFile, paths.marker, paths.floor, paths.quarantine, paths.halts];
  const names = files.map((path) => basename(path));
  return readdirSync(paths.state).flatMap((entry) => {
    const file = names.find((name) => entry.startsWith(`${name}.corrupt-`));
    if (file === undefined) return [];
    return [{ file, kept: join(paths.state, entry), reason: 'found corrupt at an earlier start' }];
  });
}

/** Without a state file, the disk tells what is there; nothing of it counts as verified. */
function adoptDisk(paths: Paths): StateFile {
  const current = readCurrent(paths);
  const deployments = listDeployments(paths).flatMap(({ id, staged }) => {
    try {
      return [{ deployment: describeDeployment(paths, id), staged: staged.toISOString() }];
    } catch {
      return []; // Not a release, whatever its name: it is left alone.
    }
  });
  const found = deployments.find(
    (each) => current.kind === 'deployment' && each.deployment.id === current.id,
  );
  const running =
    found === undefined ? undefined : { deployment: found.deployment, since: found.staged };
  return { state: { name: 'idle', running }, deployments };
}
