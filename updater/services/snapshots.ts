/**
 * How each kind of snapshot is made, removed and brought back: btrfs, ZFS, or
 * the operator's own programs. Knows nothing of why. Each step resolves to why
 * it failed; what it printed goes to `log`.
 */
import { existsSync, lstatSync, mkdirSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describeSystemError, messageOf } from '@landfall/errors';
import { syncDirectory } from '@landfall/durable';
import type { SnapshotConfig } from '../config-hooks.ts';
import { lastWords, runBounded } from './bounded-command.ts';

/** One snapshot that something is done with; `log` gets the commands and what they print. */
export interface SnapshotRun {
  config: SnapshotConfig;
  /** Name of the snapshot. */
  name: string;
  /** Added to the environment of the programs. */
  env: Readonly<Record<string, string>>;
  log: (line: string) => void;
}

/** Makes it. */
export async function createSnapshot(run: SnapshotRun): Promise<string | undefined> {
  const { config, name } = run;
  switch (config.type) {
    case 'btrfs': {
      const target = pathOf(config, name);
      const failed = attempt(() => mkdirSync(dirname(target), { recursive: true, mode: 0o700 }));
      const argv = ['btrfs', 'subvolume', 'snapshot', '-r', config.subvolume, target];
      return failed ?? (await runOne(run, argv));
    }
    case 'zfs':
      return runOne(run, ['zfs', 'snapshot', `${config.dataset}@${name}`]);
    default:
      return runOne(run, config.create);
  }
}

/** Removes it; one that is not there any more is no failure where that can be told. */
export async function removeSnapshot(run: SnapshotRun): Promise<string | undefined> {
  const { config, name } = run;
  switch (config.type) {
    case 'btrfs': {
      const target = pathOf(config, name);
      if (!existsSync(target)) return undefined;
      return runOne(run, ['btrfs', 'subvolume', 'delete', '--commit-after', target]);
    }
    case 'zfs':
      return runOne(run, ['zfs', 'destroy', `${config.dataset}@${name}`]);
    default:
      return config.remove === undefined ? undefined : runOne(run, config.remove);
  }
}

/**
 * Brings the data back as it was. `again`: an attempt that was cut off may
 * have got as far as this. The data as it is now is kept where that costs
 * nothing: with btrfs, beside the subvolume.
 */
export async function bringBack(run: SnapshotRun, again: boolean): Promise<string | undefined> {
  const { config, name } = run;
  switch (config.type) {
    case 'btrfs': {
      const { subvolume } = config;
      const source = pathOf(config, name);
      if (!existsSync(source)) return `'${source}' is not there any more`;
      const aside = asideOf(config, name);
      if (existsSync(subvolume)) {
        if (again && existsSync(aside)) return undefined;
        const failed = attempt(() => moveAside(subvolume, aside));
        if (failed !== undefined) return failed;
      }
      return runOne(run, ['btrfs', 'subvolume', 'snapshot', source, subvolume]);
    }
    case 'zfs':
      // Without -r: it refuses when there are newer snapshots, which it would destroy.
      return runOne(run, ['zfs', 'rollback', `${config.dataset}@${name}`]);
    default:
      return config.restore === undefined
        ? `'snapshot.restore' is not configured`
        : runOne(run, config.restore);
  }
}

/** Where the data that was replaced is kept; undefined where it is not. */
export function keptAside(config: SnapshotConfig, name: string): string | undefined {
  return config.type === 'btrfs' ? asideOf(config, name) : undefined;
}

/** Whether `bringBack` knows a way. */
export function canBringBack(config: SnapshotConfig): boolean {
  return config.type !== 'command' || config.restore !== undefined;
}

type Btrfs = SnapshotConfig & { type: 'btrfs' };

function pathOf({ subvolume, snapshots }: Btrfs, name: string): string {
  return join(snapshots ?? join(dirname(subvolume), '.landfall-snapshots'), name);
}

function asideOf({ subvolume }: Btrfs, name: string): string {
  return `${subvolume}.replaced-by-${name}`;
}

function moveAside(subvolume: string, aside: string): void {
  if (lstatSync(aside, { throwIfNoEntry: false }) !== undefined) {
    let n = 1;
    while (existsSync(`${aside}-${n}`)) n += 1;
    renameSync(aside, `${aside}-${n}`);
  }
  renameSync(subvolume, aside);
  syncDirectory(dirname(subvolume));
}

function attempt(work: () => void): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return describeSystemError(error)?.what ?? messageOf(error);
  }
}

async function runOne(run: SnapshotRun, argv: readonly string[]): Promise<string | undefined> {
  const { config, env, log } = run;
  log(argv.join(' '));
  const { problem, output } = await runBounded(argv, { timeoutMs: config.timeout, env });
  if (output !== '') log(output.trimEnd());
  if (problem === undefined) return undefined;
  const words = lastWords(output);
  return words === '' ? problem : `${problem}: ${words}`;
}
