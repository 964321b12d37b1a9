/**
 * A node with data: two workers that write to it, hooks that stop, start, make
 * and bring back snapshots, and say what they did; or a real btrfs.
 */
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { identifyProcess } from '../../updater/services/process.ts';
import { makeWorld, type World } from './world.ts';

export interface Site extends World {
  /** What the hooks did, each with the version that was current then. */
  events: () => string[];
  /** Which workers run. */
  workers: () => string[];
  /** A line of shell that the hooks run first; `$1` is what is done, `$2` to what. */
  setTrouble: (line: string) => void;
  data: string;
}

/** A node that runs 1.0.0 with two workers and data, and 1.1.0 published. */
export async function makeSite(tables: readonly string[] = []): Promise<Site> {
  const world = await makeWorld();
  const { node, folder, ship } = world;
  const script = join(folder, 'hook.sh');
  const data = join(folder, 'data');
  mkdirSync(data);
  writeFileSync(join(data, 'rows'), 'of 1.0.0');
  const setTrouble = (line: string): void =>
    writeFileSync(
      script,
      [
        `cd ${folder}; now=$(readlink ${node.root}/current | cut -c 13-17)`,
        'echo "$1 $2 $now" | sed "s/landfall-.*Z-/of /" >> events',
        line,
        'case $1 in',
        '  stop) kill $(cat $2.pid) 2>/dev/null; rm -f $2.pid ;;',
        '  start) test -e $2.pid || { sleep 600 >/dev/null 2>&1 & echo $! > $2.pid; } ;;',
        '  create) cp -a data "$2" ;;',
        '  remove) rm -rf "$2" ;;',
        '  restore) rm -rf data; cp -a "$2" data ;;',
        'esac',
      ].join('\n'),
    );
  setTrouble('');
  const pidOf = (name: string): number | undefined => {
    const file = join(folder, `${name}.pid`);
    return existsSync(file) ? Number(readFileSync(file, 'utf8')) : undefined;
  };
  const workers = (): string[] =>
    ['a', 'b'].filter((name) => identifyProcess(pidOf(name) ?? -1) !== undefined);
  onTestFinished(() => {
    for (const name of workers()) process.kill(pidOf(name) ?? 0, 'SIGKILL');
  });
  await ship('1.0.0');
  expect((await node.updater(['apply'])).code).toBe(0);
  for (const name of ['a', 'b']) execFileSync('sh', [script, 'start', name]);
  rmSync(join(folder, 'events'));
  const quiesced = ['a', 'b'].flatMap((name) => [
    '[[quiesce]]',
    `name = "${name}"`,
    'manager = "command"',
    ...['stop', 'start'].map((each) => `${each} = ["sh", "${script}", "${each}", "${name}"]`),
    'timeout = "5s"',
  ]);
  const toml = [...quiesced, ...tables].join('\n').replaceAll('SCRIPT', script);
  appendFileSync(node.config, toml.replaceAll('FOLDER', folder));
  await ship('1.1.0');
  const events = (): string[] => {
    const file = join(folder, 'events');
    return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : [];
  };
  return { ...world, events, workers, setTrouble, data };
}

/** A line of `[snapshot]` that runs the hooks' script. */
export const hook = (what: string): string =>
  `${what} = ["sh", "-c", 'exec sh SCRIPT ${what} "$LANDFALL_SNAPSHOT"']`;
export const SNAPSHOT = [
  '[snapshot]',
  'type = "command"',
  'keep = 2',
  hook('create'),
  hook('restore'),
];
export const STOP = ['stop a 1.0.0', 'stop b 1.0.0'];
/** What the hooks do in an update that goes well. */
export const QUIET_SWITCH = [...STOP, 'create of 1.0.0 1.0.0', 'start b 1.1.0', 'start a 1.1.0'];

/** What 1.1.0 makes of the data. */
export const migrate = ({ data }: Site): void => writeFileSync(join(data, 'rows'), 'of 1.1.0');
/** The data. */
export const rows = ({ data }: Site): string => readFileSync(join(data, 'rows'), 'utf8');

/** A btrfs of its own, mounted below `folder` until the test ends. */
export function mountBtrfs(folder: string): string {
  const [image, disk] = [join(folder, 'btrfs.img'), join(folder, 'btrfs')];
  writeFileSync(image, '');
  truncateSync(image, 128 * 1024 * 1024);
  mkdirSync(disk);
  execFileSync('mkfs.btrfs', ['-q', image]);
  execFileSync('mount', ['-o', 'loop', image, disk]);
  onTestFinished(() => void execFileSync('umount', ['-d', disk]));
  return disk;
}
