/**
 * Start of the updater: the single executable for this machine, beside the bare
 * runtime that is in it (what no program of it can go below) and the launcher
 * of the checkout.
 */
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { HOUSE } from '../../build/bundle.ts';
import { findRuntime, PLATFORMS } from '../../build/runtime.ts';
import { buildSingleExecutable } from '../../build/single-executable.ts';
import type { Bench, Group } from '../bench.ts';
import { figureOf, plainFigure } from '../figures.ts';
import { compare, type Contender } from '../measure.ts';

/** A hundredth of a second, as the kernel counts, is then small beside what is measured. */
const REPEATS = 5;
const BARE = 'node -e 0';

export const start: Group = {
  name: 'start',
  title: 'Start',
  async run(bench) {
    const { single, runtime } = await singleExecutable(bench);
    const launcher = join(HOUSE, 'updater/bin/updater');
    const short = (name: string, argv: readonly string[]): Contender => ({
      name,
      argv,
      repeats: REPEATS,
    });
    bench.say('start');
    const runs = await compare(
      [
        short(BARE, [runtime, '-e', '0']),
        short('single', [single, '--version']),
        short('checkout', [launcher, '--version']),
      ],
      { rounds: bench.quick ? bench.rounds : Math.max(bench.rounds, 10) },
    );
    const time = (step: string, ours: string) =>
      figureOf(runs, { step, what: 'time', ours, peer: BARE });
    const size = (path: string): number => statSync(path).size;
    return [
      time('updater --version, single executable', 'single'),
      time('updater --version, checkout', 'checkout'),
      plainFigure({
        step: 'single executable',
        what: 'size',
        peer: 'node',
        ours: size(single),
        theirs: size(runtime),
      }),
    ];
  },
};

/** The updater as nodes run it, and the runtime that is in it. */
export async function singleExecutable(bench: Bench): Promise<{ single: string; runtime: string }> {
  const platform = PLATFORMS.find((each) => each === `linux-${process.arch}`);
  if (platform === undefined) throw new Error(`no single executable for ${process.arch}`);
  // Of all groups the same: made by the first that asks for it.
  const single = join(dirname(bench.scratch), 'updater-single');
  if (!existsSync(single)) await buildSingleExecutable('updater/main.ts', platform, single);
  return { single, runtime: findRuntime(platform) };
}
