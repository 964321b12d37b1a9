/** What differs between systemd and OpenRC when units are installed: which files, and which commands. */
import { existsSync, globSync } from 'node:fs';
import type { Config } from '../config.ts';
import { openrcFiles, SCRIPT_FOLDER } from './openrc.ts';
import type { Keeper, UnitFile } from './plan.ts';
import { DROP_IN, systemdFiles, UNIT_FOLDER } from './systemd.ts';

/** One service manager. Commands are given back, not run, and no file is written. */
export interface Adapter {
  files(config: Config, program: string): UnitFile[];
  /** Paths at which files of ours may stand now. */
  places(): string[];
  /** What is switched on now; else what is by default. */
  keeper(): Keeper;
  /** Commands after the files were written. `changed`: paths that held something else before. */
  switchOn(keeper: Keeper, changed: readonly string[]): string[][];
  /** Commands before the files at `paths` are removed. */
  switchOff(paths: readonly string[]): string[][];
  /** Commands after files were removed. */
  forget(): string[][];
}

const WANTS = `${UNIT_FOLDER}/multi-user.target.wants`;
const RUNLEVEL = '/etc/runlevels/default';
const RELOAD = ['systemctl', 'daemon-reload'];

const systemd: Adapter = {
  files: systemdFiles,
  places: () => [
    ...globSync(`${UNIT_FOLDER}/updater{,-run,-verify,-failed@}.{service,timer}`),
    ...globSync(`${UNIT_FOLDER}/*.d/${DROP_IN}`),
  ],
  keeper: () => (existsSync(`${WANTS}/updater-run.service`) ? 'run' : 'timer'),
  switchOn: (keeper, changed) => {
    const [on, off] = ['updater.timer', 'updater-run.service'].toSorted((a) =>
      (keeper === 'timer') === (a === 'updater.timer') ? -1 : 1,
    ) as [string, string];
    const restart = changed.includes(`${UNIT_FOLDER}/${on}`);
    return [
      RELOAD,
      ['systemctl', 'enable', '--quiet', 'updater-verify.service'],
      ['systemctl', 'disable', '--quiet', '--now', off],
      ['systemctl', 'enable', '--quiet', '--now', on],
      ...(restart ? [['systemctl', 'restart', on]] : []),
    ];
  },
  switchOff: (paths) => {
    const units = ['updater.timer', 'updater-run.service', 'updater-verify.service'];
    const there = units.filter((unit) => paths.includes(`${UNIT_FOLDER}/${unit}`));
    return there.length === 0 ? [] : [['systemctl', 'disable', '--quiet', '--now', ...there]];
  },
  forget: () => [RELOAD],
};

const openrc: Adapter = {
  files: openrcFiles,
  places: () => globSync(`${SCRIPT_FOLDER}/updater{,-verify}`),
  keeper: () => 'run',
  switchOn: (_keeper, changed) => [
    ['rc-update', '--quiet', 'add', 'updater-verify', 'default'],
    ['rc-update', '--quiet', 'add', 'updater', 'default'],
    [
      'rc-service',
      'updater',
      ...(changed.includes(`${SCRIPT_FOLDER}/updater`) ? ['restart'] : ['--ifstopped', 'start']),
    ],
  ],
  switchOff: (paths) =>
    ['updater', 'updater-verify']
      .filter((name) => paths.includes(`${SCRIPT_FOLDER}/${name}`))
      .flatMap((name) => [
        ['rc-service', '--ifstarted', name, 'stop'],
        // It fails for what is not in the runlevel, because an operator took it out.
        ...(existsSync(`${RUNLEVEL}/${name}`)
          ? [['rc-update', '--quiet', 'delete', name, 'default']]
          : []),
      ]),
  forget: () => [],
};

/** How each is told: systemctl(1); rc-update(8) and rc-service(8). */
export const ADAPTERS = { systemd, openrc };
