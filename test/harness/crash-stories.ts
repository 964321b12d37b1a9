/**
 * What a node is in the middle of when something stops it: a way to begin, one
 * command, and where it must end when it is started again.
 */
import type { DiskState } from './disk-state.ts';
import type { World } from './world.ts';

export interface Story {
  name: string;
  /** Brings the node to where the story begins. */
  prepare: (world: World) => Promise<void>;
  /** Arguments of the `updater` that is stopped. */
  command: readonly string[];
  /** The umask it is stopped under; 022 unless told. */
  umask?: string;
  /** The version that fails its probe, if one does. */
  breaks?: string;
  /** The version that runs in the end, after `verify` and `once`; undefined: none. */
  ends: (stopped: DiskState) => string | undefined;
  /** Versions that may run in between, besides the one before. */
  tries: readonly string[];
  /** Roles of files that must be among those touched, so that none is lost unnoticed. */
  touches: readonly string[];
}

const RUNS = ['--reason', 'blank page'];

/** Ships and installs each version. Throws when one does not stay. */
async function install({ ship, node }: World, ...versions: string[]): Promise<void> {
  for (const version of versions) {
    await ship(version);
    const { code, stderr } = await node.updater(['apply']);
    if (code !== 0) throw new Error(`${version} was not installed: ${stderr}`);
  }
}

/** From now on the web server fails as long as `version` is what it serves. */
function breakVersion({ node }: World, version: string): void {
  node.web.fault = ({ target }) => (target.includes(`/${version}-`) ? { status: 500 } : undefined);
}

/** Runs `updater ARGS` until it dies at a crash point. */
async function dieAt({ node }: World, point: string, ...args: string[]): Promise<void> {
  const { signal, stderr } = await node.updater(args, { env: { LANDFALL_CRASH_AT: point } });
  if (signal !== 'SIGKILL') throw new Error(`it did not pass '${point}': ${stderr}`);
}

export const STORIES: readonly Story[] = [
  {
    name: 'a first install',
    prepare: async ({ ship }) => void (await ship('1.0.0')),
    command: ['apply'],
    umask: '077',
    ends: () => '1.0.0',
    tries: ['1.0.0'],
    touches: ['floor', 'staging', 'deployments', 'state', 'marker', 'current', 'journal', 'lock'],
  },
  {
    name: 'a first install that is taken back',
    prepare: async (world) => {
      await world.ship('1.0.0');
      breakVersion(world, '1.0.0');
    },
    command: ['apply'],
    breaks: '1.0.0',
    ends: () => undefined,
    tries: ['1.0.0'],
    touches: ['marker', 'current', 'quarantine'],
  },
  {
    name: 'an update',
    prepare: async (world) => {
      await install(world, '0.8.0', '0.9.0', '1.0.0');
      await world.ship('1.1.0');
    },
    command: ['apply'],
    ends: () => '1.1.0',
    tries: ['1.1.0'],
    touches: ['floor', 'downloads', 'staging', 'state', 'marker', 'current', 'removing', 'journal'],
  },
  {
    name: 'an update that is rolled back',
    prepare: async (world) => {
      await install(world, '1.0.0');
      await world.ship('1.1.0');
      breakVersion(world, '1.1.0');
    },
    command: ['apply'],
    breaks: '1.1.0',
    ends: () => '1.0.0',
    tries: ['1.1.0'],
    touches: ['marker', 'current', 'quarantine', 'state'],
  },
  {
    name: 'a rollback by hand',
    prepare: async (world) => install(world, '1.0.0', '1.1.0'),
    command: ['rollback', ...RUNS],
    // Before the marker nobody knows that it was asked for.
    ends: ({ hasMarker, version }) => (hasMarker ? '1.0.0' : version),
    tries: ['1.0.0'],
    touches: ['marker', 'current', 'quarantine', 'state'],
  },
  {
    name: 'settling at boot',
    prepare: async (world) => {
      await install(world, '1.0.0');
      await world.ship('1.1.0');
      await dieAt(world, 'did-switch', 'apply');
    },
    command: ['verify'],
    ends: () => '1.1.0',
    tries: ['1.0.0', '1.1.0'],
    touches: ['marker', 'state', 'lock'],
  },
  {
    name: 'settling a rollback at boot',
    prepare: async (world) => {
      await install(world, '1.0.0');
      await world.ship('1.1.0');
      breakVersion(world, '1.1.0');
      await dieAt(world, 'did-write-marker-rolling-back', 'apply');
    },
    command: ['verify'],
    breaks: '1.1.0',
    ends: () => '1.0.0',
    tries: ['1.0.0'],
    touches: ['marker', 'current', 'quarantine', 'state'],
  },
  {
    name: 'recovery from a kill while staging',
    prepare: async (world) => {
      await install(world, '1.0.0');
      await world.ship('1.1.0');
      await dieAt(world, 'stage-extracted', 'apply');
    },
    command: ['once'],
    ends: () => '1.1.0',
    tries: ['1.1.0'],
    touches: ['staging', 'downloads', 'marker', 'current', 'state'],
  },
];
