/**
 * Installing a release that is on the machine, until it would be what runs:
 * `updater apply` from a mirror's folder, beside tools that write a slot.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Group } from '../bench.ts';
import { type Figure, figureOf } from '../figures.ts';
import { compare } from '../measure.ts';
import { makeSite } from '../site.ts';
import { type Installer, openRauc, openSwupdate } from '../slots.ts';
import { webUi } from '../workloads.ts';
import { singleExecutable } from './start.ts';
import { applyOn, toSwitch } from './update.ts';

const STEP = 'slot install';

export const slot: Group = {
  name: 'slot',
  title: 'Slot install',
  async run(bench) {
    bench.say(STEP);
    const { single } = await singleExecutable(bench);
    const trees = { old: webUi('old', bench), new: webUi('new', bench) };
    const site = await makeSite(bench, { trees, deltas: false, local: true });
    const installers: Installer[] = [];
    try {
      const folder = join(site.mirrors.new, 'releases/download/v1.1.0');
      const name = readdirSync(folder).find((each) => each.endsWith('.tar.zst')) ?? '';
      const archive = join(folder, name);
      const able = bench.disk.fresh;
      if (able && bench.has('rauc') && bench.has('dbus-daemon')) {
        installers.push(await openRauc(join(bench.scratch, 'rauc'), archive));
      }
      if (able && bench.has('swupdate') && bench.has('cpio')) {
        installers.push(openSwupdate(join(bench.scratch, 'swupdate'), archive));
      }
      const peers = installers.map(({ contender }) => ({
        ...contender,
        inspect: (began: number) => ({ toSwitch: Date.now() - began }),
      }));
      const runs = await compare([applyOn(site, single), ...peers], { rounds: bench.rounds });
      const figure = (peer: string, atMost: number): Figure => ({
        ...figureOf(runs, {
          step: STEP,
          what: 'time',
          ours: 'ours',
          peer,
          of: toSwitch,
          goal: { of: 'ratio', atMost },
        }),
        // The work of RAUC is done by its service, which is not among the processes of a run.
        cpu: undefined,
      });
      return [figure('rauc install', 1), figure('swupdate', 0.45)];
    } finally {
      for (const each of installers) await each.close();
      await site.stop();
    }
  },
};
