/**
 * Puts the updater's units on this machine, and takes them off again. Both may
 * be run again at any time: what is right already stays.
 *
 * Every file is written whole, before the service manager is told of any; a
 * crash in between leaves units that are not switched on yet, and the next
 * `updater units install` goes on.
 */
import { lstatSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeDirectoryDurably, removeDurably, writeFileDurably } from '@landfall/durable';
import type { Config } from '../config.ts';
import { UpdaterError } from '../errors.ts';
import { runProgram } from '../services/command.ts';
import { ADAPTERS } from './managers.ts';
import { OURS, type Keeper, type Manager, type UnitFile } from './plan.ts';

const COMMAND_TIMEOUT_MS = 180_000;

/** What is done about one file. */
export type Change =
  | ({ what: 'new' | 'changed' | 'unchanged' } & UnitFile)
  | { what: 'removed'; path: string };

/** An installation or a removal, before it is carried out. */
export interface Plan {
  manager: Manager;
  /** Absent when everything is removed. */
  keeper?: Keeper;
  /** The service manager's commands before the files are touched, and after. */
  before: string[][];
  changes: Change[];
  after: string[][];
}

/**
 * What installing would do. `keeper` undefined: the one that is switched on
 * already, else the usual one. Throws `UpdaterError` UNITS when a file of
 * somebody else's stands where one of ours belongs.
 */
export function planInstall(
  config: Config,
  options: { manager: Manager; program: string; keeper: Keeper | undefined },
): Plan {
  const { manager, program } = options;
  const adapter = ADAPTERS[manager];
  const keeper = options.keeper ?? adapter.keeper();
  const changes = adapter.files(config, program).map((each) => compare(each));
  const wanted = new Set(changes.map((each) => each.path));
  const stale = adapter.places().filter((path) => !wanted.has(path) && isOurs(path));
  const changed = changes.filter((each) => each.what === 'changed').map((each) => each.path);
  return {
    manager,
    keeper,
    before: [],
    changes: [...changes, ...stale.map((path): Change => ({ what: 'removed', path }))],
    after: adapter.switchOn(keeper, changed),
  };
}

/** What removing would do: every file that is ours goes, whatever the configuration says by now. */
export function planRemoval(manager: Manager): Plan {
  const adapter = ADAPTERS[manager];
  const paths = adapter.places().filter((path) => isOurs(path));
  return {
    manager,
    before: adapter.switchOff(paths),
    changes: paths.map((path) => ({ what: 'removed', path })),
    after: paths.length === 0 ? [] : adapter.forget(),
  };
}

/** Makes the folders that units name as writable: systemd starts nothing whose folders are missing. */
export function makeWritableFolders({ root, state }: Config): void {
  makeDirectoryDurably(root);
  makeDirectoryDurably(state, 0o700);
}

/**
 * Carries `plan` out; with `quiet`, what its commands print is dropped. Throws
 * `DurableError`, and `UpdaterError` COMMAND with the command that failed.
 */
export async function carryOutPlan(plan: Plan, quiet: boolean): Promise<void> {
  for (const command of plan.before) await tell(command, quiet);
  for (const change of plan.changes) {
    if (change.what === 'removed') removeFile(change.path);
    else if (change.what !== 'unchanged') writeFile(change);
  }
  for (const command of plan.after) await tell(command, quiet);
}

function compare(file: UnitFile): Change {
  const found = readIfThere(file.path);
  if (found === undefined) return { what: 'new', ...file };
  if (!found.includes(OURS)) {
    throw new UpdaterError('UNITS', `'${file.path}' is there already, and not written by updater`, {
      hint: 'move it away first; what it is for may belong into a drop-in',
    });
  }
  const isSame = found === file.text && (lstatSync(file.path).mode & 0o7777) === file.mode;
  return { what: isSame ? 'unchanged' : 'changed', ...file };
}

function isOurs(path: string): boolean {
  return readIfThere(path)?.includes(OURS) ?? false;
}

/** Text of a regular file; undefined when nothing is there. Throws `UpdaterError` UNITS for anything else. */
function readIfThere(path: string): string | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  if (stat.isFile()) return readFileSync(path, 'utf8');
  throw new UpdaterError('UNITS', `'${path}' is no file`, {
    hint: 'a unit that is masked is a link to /dev/null: systemctl unmask it first',
  });
}

function writeFile({ path, text, mode }: UnitFile): void {
  makeDirectoryDurably(dirname(path));
  writeFileDurably(path, text, { mode });
}

/** Removes a file, and the folder of drop-ins that it leaves empty. */
function removeFile(path: string): void {
  removeDurably(path);
  const folder = dirname(path);
  if (folder.endsWith('.d') && readdirSync(folder).length === 0) rmdirSync(folder);
}

async function tell(command: readonly string[], quiet: boolean): Promise<void> {
  const output = quiet ? 'ignore' : process.stderr.fd;
  const problem = await runProgram(command, { timeoutMs: COMMAND_TIMEOUT_MS, output });
  if (problem === undefined) return;
  throw new UpdaterError('COMMAND', problem, {
    hint: 'the files are written; when the cause is mended, run this again',
  });
}
