/** `updater units install` and `remove`: what starts the updater on this machine, by its service manager. */
import { existsSync } from 'node:fs';
import { type Command, CliError, type Context } from '@landfall/cli';
import { ExitCode } from '@landfall/errors';
import { UpdaterError } from '../errors.ts';
import { detectServiceManager } from '../init/detect.ts';
import {
  carryOutPlan,
  makeWritableFolders,
  planInstall,
  planRemoval,
  type Plan,
} from '../units/install.ts';
import type { Keeper, Manager } from '../units/plan.ts';
import { programPath } from '../units/program.ts';
import { DRY_RUN, readConfig } from './session.ts';

/** `updater units`: writes or removes what starts the updater, and switches it on or off. */
export const units: Command = {
  name: 'units',
  args: 'install|remove',
  arity: [1, 1],
  summary:
    'install, or remove, the units that start the updater: timer or daemon, boot, crash loops',
  options: {
    as: {
      value: 'timer|run',
      help: "what looks for releases: a timer, or the daemon 'updater run'; what is on already, else the timer",
    },
    ...DRY_RUN,
  },
  details: [
    'Under systemd or OpenRC, whichever runs this machine; OpenRC has no timer. The units follow from',
    'the configuration: run it again after changing that. --dry-run prints them. Files that were not',
    'written by this command are never touched.',
  ],
  async run(context) {
    const [verb = ''] = context.positionals;
    if (verb !== 'install' && verb !== 'remove') {
      throw usage(`expected 'install' or 'remove', found '${verb}'`);
    }
    const manager = findManager();
    const plan = verb === 'install' ? installation(context, manager) : planRemoval(manager);
    if (context.flag('dry-run')) {
      context.result({ dryRun: true, ...plan }, rehearsal(plan));
      return ExitCode.done;
    }
    if (verb === 'install') makeWritableFolders(readConfig(context));
    await carryOutPlan(plan, context.json);
    context.result(summaryOf(plan), tell(plan));
    return ExitCode.done;
  },
};

function installation(context: Context, manager: Manager): Plan {
  const keeper = readKeeper(context, manager);
  const config = readConfig(context);
  return planInstall(config, { manager, program: programPath(config.root), keeper });
}

function readKeeper(context: Context, manager: Manager): Keeper | undefined {
  const keeper = context.text('as');
  if (keeper === undefined) return undefined;
  if (keeper !== 'timer' && keeper !== 'run') {
    throw usage(`--as: expected 'timer' or 'run', found '${keeper}'`);
  }
  if (manager === 'openrc' && keeper === 'timer') {
    throw usage("--as: expected 'run', for OpenRC has no timer");
  }
  return keeper;
}

function findManager(): Manager {
  const manager = detectServiceManager();
  if (manager === 'systemd' || existsSync('/sbin/openrc-run')) return manager;
  throw new UpdaterError('UNITS', 'expected systemd or OpenRC on this machine, found neither', {
    hint: "start 'updater verify --boot' at boot and keep 'updater run' running by whatever starts services here",
  });
}

function summaryOf({ manager, keeper, changes, before, after }: Plan): Record<string, unknown> {
  return {
    manager,
    keeper: keeper ?? null,
    files: changes.map(({ path, what }) => ({ path, what })),
    commands: [...before, ...after],
  };
}

function tell({ changes, keeper }: Plan): string[] {
  const lines = changes.map(({ path, what }) => `${what.padEnd(9)} ${path}`);
  if (keeper === undefined) return lines.length === 0 ? ['no units of ours are here'] : lines;
  const what = keeper === 'timer' ? 'a timer' : "'updater run'";
  return [...lines, `${what} looks for releases; 'updater verify' runs at boot`];
}

function rehearsal({ before, changes, after }: Plan): string[] {
  const files = changes.flatMap((change) =>
    change.what === 'removed'
      ? [`would be removed: ${change.path}`]
      : [`### ${change.path} (${change.what})`, change.text],
  );
  return [...commandLines(before), ...files, ...commandLines(after)];
}

function commandLines(commands: readonly string[][]): string[] {
  return commands.map((command) => `would be run: ${command.join(' ')}`);
}

function usage(problem: string): CliError {
  return new CliError('USAGE', problem, "see 'updater units --help'");
}
