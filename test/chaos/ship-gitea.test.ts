/**
 * `release ship` to Gitea servers, killed once at every kind of crash point and
 * at random moments. Run again, it ends with one asset of each name and the
 * same commit on every server; and at no moment did an index name what its
 * server lacked.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parsePublicKey } from '@landfall/minisign';
import { openMirrors } from '@landfall/mirrors';
import { describe, expect, it } from 'vitest';
import { visited } from '../harness/chaos.ts';
import { startCommand } from '../harness/command.ts';
import {
  contentsOf,
  type GiteaProject,
  makeGiteaProject,
  useGiteaProject,
} from '../harness/gitea-project.ts';
import { watchPublication } from '../harness/publication-watcher.ts';
import { seededRandom } from '../harness/random.ts';

const NAMES = ['north', 'south'];
const { points, ms } = await enumerate();

/** Ships once undisturbed and lists every kind of crash point that it passes. */
async function enumerate(): Promise<{ points: string[]; ms: number }> {
  const site = await makeGiteaProject(NAMES);
  try {
    const trace = join(site.project.root, 'trace');
    const started = performance.now();
    const { code, stderr } = await site.release(['ship'], { env: { LANDFALL_CRASH_TRACE: trace } });
    if (code !== 0) throw new Error(`an undisturbed ship failed: ${stderr}`);
    const names = readFileSync(trace, 'utf8').trim().split('\n');
    return {
      points: [...new Set(names.map((name) => name.replace(/#\d+$/, '')))],
      ms: performance.now() - started,
    };
  } finally {
    await site.remove();
  }
}

function watch(site: GiteaProject): ReturnType<typeof watchPublication> {
  return watchPublication({
    mirrors: openMirrors(site.project.config.mirrors),
    app: 'archipelago',
    policy: { keys: [parsePublicKey(site.project.publicKey)], threshold: 1 },
    intervalMs: 20,
  });
}

/** Ships to the end; then both servers hold the same, each asset once, and nothing was ever broken. */
async function finish(
  site: GiteaProject,
  watcher: ReturnType<typeof watchPublication>,
): Promise<void> {
  const { code, stderr } = await site.release(['ship']);
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  const [north, south] = [...site.servers.values()].map((server) => contentsOf(server));
  expect(south).toEqual(north);
  const names = north?.assets['v1.0.0']?.map((name) => name.split(' ')[0]);
  expect(names).toEqual(['server-1.0.0-linux-x64.zst', 'web-ui-1.0.0.tar.zst']);
  const seen = await watcher.stop();
  expect(seen.broken).toEqual([]);
  expect(seen.indexes).toBeGreaterThanOrEqual(2);
}

describe('ship to Gitea, killed', () => {
  it.each(visited('crash points of ship to Gitea', points, 2))(
    'at %s is finished by the next run',
    async (point) => {
      const site = await useGiteaProject(NAMES);
      const watcher = watch(site);
      const killed = await site.release(['ship'], { env: { LANDFALL_CRASH_AT: point } });
      expect(killed.signal).toBe('SIGKILL');
      await finish(site, watcher);
    },
  );

  it.each(visited('random kills of ship to Gitea', [2001, 2002, 2003, 2004, 2005, 2006], 2))(
    'at random moments is finished by the next run (seed %d)',
    async (seed) => {
      const site = await useGiteaProject(NAMES);
      const watcher = watch(site);
      const random = seededRandom(seed);
      for (let kills = 0; kills < 2; kills += 1) {
        const running = startCommand('release', ['ship'], {
          cwd: site.project.directory,
          env: site.env,
        });
        await sleep((0.3 + 0.7 * random()) * ms);
        running.child.kill('SIGKILL');
        expect(['SIGKILL', null]).toContain((await running.done).signal);
      }
      await finish(site, watcher);
    },
  );
});
