/**
 * Snapshots of the node's data around a switch. Its name is written down
 * before it is made; a crash in here leaves at most one that is known as not
 * made, and that the next tidying removes. It is brought back by an operator's
 * word only.
 */
import { crashPoint } from '@landfall/cli';
import type { SnapshotConfig } from '../config-hooks.ts';
import { UpdaterError } from '../errors.ts';
import type { Deployment } from '../facts.ts';
import { timestamp, type Host } from '../host.ts';
import { changeSnapshots, readSnapshots, type SnapshotEntry } from '../records/snapshot-file.ts';
import {
  bringBack,
  createSnapshot,
  keptAside,
  removeSnapshot,
  type SnapshotRun,
} from '../services/snapshots.ts';

/**
 * Makes a snapshot before `to` may change the data. Throws `UpdaterError`
 * SNAPSHOT when that fails and the configuration requires one.
 */
export async function takeSnapshot(
  host: Host,
  { from, to }: { from?: Deployment | undefined; to: Deployment },
): Promise<void> {
  const { config, paths, journal } = host;
  if (config.snapshot === undefined) return;
  const at = timestamp();
  const name = freeName(readSnapshots(paths.snapshots), at, from);
  const { type, required } = config.snapshot;
  const entry: SnapshotEntry = { name, type, at, of: from, before: to, made: false };
  changeSnapshots(paths.snapshots, (all) => [...all, entry]);
  crashPoint('snapshot-recorded');
  const problem = await createSnapshot(runOf(host, config.snapshot, entry));
  crashPoint('snapshot-created');
  journal.append({ at: timestamp(), snapshot: name, of: from?.version, problem });
  if (problem === undefined) {
    changeEntry(host, name, { made: true });
    host.note(`snapshot ${name} of the data`);
    return;
  }
  const error = new UpdaterError('SNAPSHOT', `no snapshot of the data: ${problem}`, {
    hint: `correct [snapshot] in ${config.file}; with 'required = false' releases are installed without one`,
  });
  if (required) throw error;
  host.note(`going on without it: ${error.message}`);
}

/** Brings the snapshot `name` back. Throws `UpdaterError` SNAPSHOT. */
export async function restoreSnapshot(
  host: Host,
  { name, again }: { name: string; again: boolean },
): Promise<void> {
  const { config, paths, journal } = host;
  const entry = readSnapshots(paths.snapshots).find((each) => each.name === name);
  // After a crash: what was brought back once may have been written to since.
  if (again && entry?.restored !== undefined) return;
  if (!again) changeEntry(host, name, { restored: undefined });
  const problem =
    config.snapshot === undefined || entry === undefined
      ? 'it is not known any more'
      : await bringBack(runOf(host, config.snapshot, entry), again);
  crashPoint('snapshot-restored');
  journal.append({ at: timestamp(), restored: name, problem });
  if (problem === undefined) {
    changeEntry(host, name, { restored: timestamp() });
    const aside = config.snapshot && keptAside(config.snapshot, name);
    host.note(`the data is that of ${name} again${aside ? `; what was there is in ${aside}` : ''}`);
    return;
  }
  throw new UpdaterError('SNAPSHOT', `snapshot '${name}' was not brought back: ${problem}`, {
    hint: `the data is as it was; what was printed is in ${host.log.folder ?? paths.logs}`,
  });
}

/** Removes those that were not made whole and those beyond `keep`. A failure is only noted. */
export async function pruneSnapshots(host: Host): Promise<void> {
  const { config, paths } = host;
  if (config.snapshot === undefined) return;
  const all = readSnapshots(paths.snapshots).filter((each) => each.type === config.snapshot?.type);
  const made = all.filter((each) => each.made);
  const kept = new Set(made.slice(-config.snapshot.keep));
  for (const entry of all.filter((each) => !kept.has(each))) {
    const problem = await removeSnapshot(runOf(host, config.snapshot, entry));
    if (problem !== undefined && entry.made) {
      host.note(`snapshot ${entry.name} cannot be removed: ${problem}`);
      continue;
    }
    changeSnapshots(paths.snapshots, (rest) => rest.filter((each) => each.name !== entry.name));
  }
}

function runOf(host: Host, config: SnapshotConfig, entry: SnapshotEntry): SnapshotRun {
  const { name, before, of } = entry;
  const env = {
    LANDFALL_SNAPSHOT: name,
    LANDFALL_VERSION: before.version,
    LANDFALL_FROM: of?.version ?? '',
  };
  return { config, name, env, log: (line) => host.log.write('snapshot', line) };
}

function changeEntry({ paths }: Host, name: string, change: Partial<SnapshotEntry>): void {
  changeSnapshots(paths.snapshots, (all) =>
    all.map((each) => (each.name === name ? { ...each, ...change } : each)),
  );
}

/** `landfall-20260422T190000Z-1.7.40`; with a number at the end if a clock that was set back made it before. */
function freeName(all: readonly SnapshotEntry[], at: string, from: Deployment | undefined): string {
  const time = at.replace(/\.\d+Z$/, 'Z').replaceAll(/[-:]/g, '');
  const base = `landfall-${time}-${from?.version ?? 'first'}`;
  const taken = new Set(all.map((each) => each.name));
  let name = base;
  for (let n = 2; taken.has(name); n += 1) name = `${base}-${n}`;
  return name;
}
