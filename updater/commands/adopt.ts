/** `updater adopt`: take a node that was there before us into the layout, while it serves. */
import { join, resolve } from 'node:path';
import { type Command, CliError, type Context, formatBytes } from '@landfall/cli';
import { isSlug, isVersion } from '@landfall/manifest';
import { ExitCode } from '@landfall/errors';
import {
  adopt as adoptNode,
  type AdoptResult,
  checkAdoptable,
  checkUndoable,
  undo,
} from '../adopt/adopt.ts';
import { type AdoptPlan, type AdoptWish, planAdoption } from '../adopt/plan.ts';
import type { Config } from '../config.ts';
import type { Host } from '../host.ts';
import { readAdoption } from '../records/adoption-file.ts';
import { removeLeftovers } from '../effects/tidy.ts';
import { refuseCorrupt } from '../corrupt.ts';
import { DRY_RUN, openToLook, readConfig, untilToldToStop, withHost } from './session.ts';
import { describeState } from './words.ts';

/** `updater adopt`: makes what is served a deployment, its place a link; `--undo` goes back. */
export const adopt: Command = {
  name: 'adopt',
  args: '[DIR]',
  arity: [0, 1],
  summary: 'take the web UI that is served from DIR into the layout, without a failed request',
  options: {
    version: {
      value: 'VERSION',
      help: 'which release it is; told from its bytes where mirrors know it',
    },
    file: {
      value: 'NAME=PATH',
      multiple: true,
      help: 'a program that is a component as well; repeatable',
    },
    leave: {
      value: 'GLOB',
      multiple: true,
      help: 'paths below DIR that are not taken along; repeatable',
    },
    carry: { help: 'take data along, and what the release does not have, until the next release' },
    'by-hand': { help: "put no link at DIR: the web server's root is changed by you" },
    undo: { help: 'take it back: DIR is what it was' },
    ...DRY_RUN,
  },
  details: [
    'DIR is <root>/web-ui unless told (the component that [probe] names). It is copied, with the modes of a',
    'release; then DIR and a link to <root>/current/web-ui change places in one step, so that the web',
    "server's configuration stays as it is. The old folder stays as DIR.before-landfall; --undo puts it",
    'back. After a crash, run it again, or undo it: the node serves all the time.',
    'Exit code 0: adopted, and proven; 1: something is left for you to do; 3: refused, and nothing changed.',
  ],
  async run(context) {
    const dryRun = context.flag('dry-run');
    if (context.flag('undo')) return dryRun ? tellUndo(context) : takeBack(context);
    const wish = wishOf(context, readConfig(context));
    if (dryRun) {
      const { plan, begun } = await untilToldToStop(async (signal) => {
        const host = openToLook(context, signal);
        refuseCorrupt(host);
        const adoption = checkAdoptable(host);
        return {
          begun: adoption,
          plan: adoption === undefined ? await planAdoption(host, wish) : undefined,
        };
      });
      context.result(
        { dryRun: true, begun: begun ?? null, plan: plan === undefined ? null : planData(plan) },
        plan === undefined
          ? `the adoption that began ${begun?.began} would go on`
          : planLines(plan),
      );
      return ExitCode.done;
    }
    const result = await withHost(context, 'adopt', (host) => {
      refuseCorrupt(host);
      removeLeftovers(host);
      return adoptNode(host, wish);
    });
    context.result(result, resultLines(result));
    return result.outcome === 'committed' ? ExitCode.done : ExitCode.failed;
  },
};

async function takeBack(context: Context): Promise<ExitCode> {
  const undone = await withHost(context, 'adopt', (host) => {
    refuseCorrupt(host);
    return undo(host);
  });
  const lines =
    undone === undefined
      ? 'nothing was adopted here'
      : [
          `${undone.deployment.version} is not ours any more`,
          ...undone.places.map(({ source }) => `${source} is what it was`),
        ];
  context.result({ undone: undone ?? null }, lines);
  return ExitCode.done;
}

async function tellUndo(context: Context): Promise<ExitCode> {
  const adoption = await untilToldToStop(async (signal) => {
    const host: Host = openToLook(context, signal);
    const found = readAdoption(host.paths);
    if (found?.how === 'exchange') await checkUndoable(host, found);
    return found;
  });
  context.result(
    { dryRun: true, undo: adoption ?? null },
    adoption === undefined
      ? 'nothing was adopted here'
      : adoption.places.map(({ source, kept }) => `${kept} would be ${source} again`),
  );
  return ExitCode.done;
}

function usage(message: string, hint: string): never {
  throw new CliError('USAGE', message, hint);
}

function wishOf(context: Context, config: Config): AdoptWish {
  const version = context.text('version');
  if (version !== undefined && !isVersion(version)) {
    usage(
      `--version: expected a version such as 1.7.41-alpha, found '${version}'`,
      'see the release page',
    );
  }
  const files = context.list('file').map((text) => {
    const [component = '', source = ''] = text.split(/=(.*)/s);
    if (!isSlug(component) || source === '') {
      usage(
        `--file: expected NAME=PATH, found '${text}'`,
        'such as --file server=/opt/app/bin/server',
      );
    }
    return { component, source: resolve(source) };
  });
  return {
    source: resolve(context.positionals[0] ?? join(config.root, config.probe.component)),
    files,
    version,
    leave: context.list('leave'),
    carry: context.flag('carry'),
    byHand: context.flag('by-hand'),
  };
}

function planData({ deployment, components, comparison, findings, tree }: AdoptPlan): unknown {
  return {
    deployment,
    components: components.map(({ name, kind, source }) => ({ name, kind, source })),
    release:
      comparison?.isThis === true ? { version: comparison.version, exact: comparison.exact } : null,
    entries: tree.entries.length,
    bytes: tree.size,
    findings,
  };
}

function planLines({ deployment, components, findings, tree, wish }: AdoptPlan): string[] {
  const { id } = deployment;
  const places = components.map(({ source, name }) =>
    wish.byHand
      ? `${source} would be left as it is, for you to replace with current/${name}`
      : `${source} would become a link to current/${name}, and what it is now ${source}.before-landfall`,
  );
  const size = `${tree.entries.length} entries, ${formatBytes(tree.size)}`;
  return [
    `${wish.source} would be adopted as ${id} (${size})`,
    ...findings.map((each) => `  ${each}`),
    ...places,
  ];
}

function resultLines(result: AdoptResult): string[] {
  const { adoption } = result;
  if (result.outcome === 'waiting') {
    return [
      `${adoption.deployment.id} is laid out, and not in use yet:`,
      ...result.todo.map((each) => `  ${each}`),
    ];
  }
  const kept =
    adoption.how === 'exchange'
      ? adoption.places.map(
          ({ kept: path }) =>
            `what was there is kept as ${path}: remove it when you need no --undo`,
        )
      : [];
  return [describeState(result.state), ...kept];
}
