/**
 * SIGKILL at every place where an update, an automatic rollback, a rollback by
 * hand and a settling at boot may be cut off. The next start must end on a
 * whole old or a whole new release, without a marker, never below the floor,
 * and the one after that must bring the node where it was going.
 */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { digestTree } from '@landfall/archive';
import { contentDigest } from '@landfall/manifest';
import { describe, expect, it } from 'vitest';
import { visited } from '../harness/chaos.ts';
import type { TestNode } from '../harness/node.ts';
import { makeWorld, type World } from '../harness/world.ts';

/** How the command that is killed is started. */
type Start = (node: TestNode, env: Record<string, string>) => Promise<{ code: number | null }>;

interface Story {
  name: string;
  /** Brings the node to where the story begins. */
  prepare: (world: World) => Promise<void>;
  start: Start;
  /** The version that runs in the end, after one more `once`; undefined: none. */
  ends: string | undefined;
  /** Crash points that must be among those passed, so that none is lost unnoticed. */
  passes: readonly string[];
}

const STORIES: readonly Story[] = [
  {
    name: 'a first install',
    prepare: async ({ ship }) => void (await ship('1.0.0')),
    start: (node, env) => node.updater(['apply'], { env }),
    ends: '1.0.0',
    passes: ['did-switch', 'did-write-marker-switched', 'did-probe', 'did-remove-marker'],
  },
  {
    name: 'a first install that is taken back',
    prepare: async ({ ship, node }) => {
      await ship('1.0.0');
      node.web.fault = () => ({ status: 500 });
    },
    start: (node, env) => node.updater(['apply'], { env }),
    ends: undefined,
    passes: ['did-switch', 'did-write-marker-rolling-back', 'did-quarantine', 'did-remove-marker'],
  },
  {
    name: 'an update',
    prepare: async (world) => {
      await runFirst(world);
      await world.ship('1.1.0');
    },
    start: (node, env) => node.updater(['apply'], { env }),
    ends: '1.1.0',
    passes: [
      'did-raise-floor',
      'did-preflight',
      'stage-downloaded',
      'stage-extracted',
      'stage-synced',
      'did-stage',
      'did-write-marker-prepared',
      'did-switch',
      'journalled-switch',
      'did-write-marker-switched',
      'did-restart-services',
      'did-write-marker-restarted',
      'did-probe',
      'did-save-state',
      'did-remove-marker',
      'did-tidy',
    ],
  },
  {
    name: 'an update that is rolled back',
    prepare: async (world) => {
      const { ship, node } = world;
      await runFirst(world);
      await ship('1.1.0');
      node.web.fault = ({ target }) => (target.includes('/1.1.0-') ? { status: 500 } : undefined);
    },
    start: (node, env) => node.updater(['apply'], { env }),
    ends: '1.0.0',
    passes: [
      'did-write-marker-restarted',
      'did-write-marker-rolling-back',
      'did-switch',
      'did-quarantine',
      'did-remove-marker',
    ],
  },
  {
    name: 'a rollback by hand',
    prepare: async (world) => {
      const { ship, node } = world;
      await runFirst(world);
      await ship('1.1.0');
      await node.updater(['apply']);
    },
    start: (node, env) => node.updater(['rollback', '--reason', 'blank'], { env }),
    ends: '1.0.0',
    passes: ['did-write-marker-rolling-back', 'did-switch', 'did-probe', 'did-quarantine'],
  },
  {
    name: 'settling at boot',
    prepare: async (world) => {
      const { ship, node } = world;
      await runFirst(world);
      await ship('1.1.0');
      await node.updater(['apply'], { env: { LANDFALL_CRASH_AT: 'did-switch' } });
    },
    start: (node, env) => node.updater(['verify'], { env }),
    ends: '1.1.0',
    passes: ['did-write-marker-switched', 'did-probe', 'did-save-state', 'did-remove-marker'],
  },
];

describe.each(STORIES)('$name, killed', ({ name, prepare, start, ends, passes }) => {
  it('at every step ends whole', async () => {
    const world = await makeWorld({ probe: { window: '400ms', interval: '20ms', passes: 2 } });
    const { node, folder } = world;
    await prepare(world);
    const snapshot = join(folder, 'snapshot');
    for (const each of [node.root, node.state]) {
      cpSync(each, join(snapshot, basename(each)), { recursive: true, verbatimSymlinks: true });
    }
    const floor = node.floor();

    const trace = join(folder, 'trace');
    await start(node, { LANDFALL_CRASH_TRACE: trace });
    const passed = readFileSync(trace, 'utf8').trimEnd().split('\n');
    // `journalled-` differs from `did-` by a line in the journal, from which nothing is decided: one story tells.
    const points = passed.filter(
      (point) => name === 'an update' || !point.startsWith('journalled-'),
    );
    expect(points.map((point) => point.replace(/#\d+$/, ''))).toEqual(
      expect.arrayContaining([...passes]),
    );

    const outcomes: string[] = [];
    for (const point of visited(`crash points of ${name}`, points, 4)) {
      restore(node, snapshot);
      const killed = await start(node, { LANDFALL_CRASH_AT: point });
      expect(killed, `${point}: it was killed there`).toMatchObject({ signal: 'SIGKILL' });
      expect(runningWhole(node), `${point}: what runs is whole right after the kill`).toBe(true);

      const settled = await node.updater(['verify']);
      expect([0, 1], `${point}: ${settled.stderr}`).toContain(settled.code);
      expect(node.hasMarker(), `${point}: the marker is handled`).toBe(false);
      const version = currentVersion(node);
      expect(runningWhole(node), `${point}: what runs is whole`).toBe(true);
      expect(node.floor(), `${point}: the floor`).toBeGreaterThanOrEqual(floor);
      expect(leftovers(node), `${point}: nothing half-made is left`).toStrictEqual([]);
      outcomes.push(`${point} → ${version}, ${node.stateName()}`);

      await node.updater(['once']);
      expect(currentVersion(node), `${point}: where it was going`).toBe(ends);
      expect(node.hasMarker()).toBe(false);
    }
    console.log(`${outcomes.length} kills\n  ${outcomes.join('\n  ')}`);
  });
});

function restore(node: TestNode, snapshot: string): void {
  for (const each of [node.root, node.state]) {
    rmSync(each, { recursive: true });
    cpSync(join(snapshot, basename(each)), each, { recursive: true, verbatimSymlinks: true });
  }
}

function currentVersion(node: TestNode): string | undefined {
  return node.current()?.slice(0, '1.0.0'.length);
}

async function runFirst({ ship, node }: World): Promise<void> {
  await ship('1.0.0');
  expect((await node.updater(['apply'])).code).toBe(0);
}

/** Whether what runs is whole; nothing is whole where nothing was before. */
function runningWhole(node: TestNode): boolean {
  const version = currentVersion(node);
  return version === undefined || wholeVersions(node).includes(version);
}

/** Versions whose files are, byte for byte and mode for mode, what their name says. */
function wholeVersions(node: TestNode): string[] {
  const folder = join(node.root, 'deployments');
  return (existsSync(folder) ? readdirSync(folder) : [])
    .filter((id) => !id.startsWith('.'))
    .filter((id) => {
      const components = readdirSync(join(folder, id)).map((name) => ({
        name,
        kind: 'tree' as const,
        artifact: { tree: { digest: digestTree(join(folder, id, name)).digest } },
      }));
      return id.endsWith(`-${contentDigest(components).slice(0, 12)}`);
    })
    .map((id) => id.slice(0, '1.0.0'.length));
}

function leftovers(node: TestNode): string[] {
  const hidden = (folder: string): string[] =>
    existsSync(folder) ? readdirSync(folder).filter((name) => name.startsWith('.')) : [];
  const downloads = join(node.state, 'downloads');
  return [
    ...hidden(join(node.root, 'deployments')),
    ...hidden(node.root),
    ...(existsSync(downloads) ? readdirSync(downloads) : []),
  ];
}
