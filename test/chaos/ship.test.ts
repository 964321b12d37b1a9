/**
 * `release ship` killed at every crash point and at random moments, over
 * directory mirrors that hold an earlier release. Run again, it finishes the
 * same release; and at no moment did an index name what its mirror lacked.
 */
import { randomBytes } from 'node:crypto';
import { cpSync, existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parsePublicKey } from '@landfall/minisign';
import { openMirrors } from '@landfall/mirrors';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { visited } from '../harness/chaos.ts';
import { startCommand } from '../harness/command.ts';
import { expectComplete, filesOf } from '../harness/mirror-content.ts';
import { makeProject, writeWebUi } from '../harness/project.ts';
import { watchPublication } from '../harness/publication-watcher.ts';
import { seededRandom } from '../harness/random.ts';

const NEW = '1.1.0';
const SEEDS = Array.from({ length: 10 }, (_, index) => 1000 + index);
const project = await makeProject({ configure: (config) => (config.deltas = 1) });
// Large, and the same in both releases: a delta is worth its place.
project.write('dist/assets/photo.jpg', randomBytes(30_000));
const saved = `${project.root}.saved`;
afterAll(() => {
  rmSync(saved, { recursive: true, force: true });
  project.remove();
});
await shipOnce();
writeWebUi(project, 'two');
project.setVersion(NEW);
cpSync(project.root, saved, { recursive: true, preserveTimestamps: true });
const { points, ms } = await enumerate();

async function shipOnce(env: Record<string, string> = {}): Promise<void> {
  const { code, stderr } = await project.release(['ship'], { env });
  if (code !== 0) throw new Error(`an undisturbed ship failed: ${stderr}`);
}

/** Ships once undisturbed and lists every crash point that it passes. */
async function enumerate(): Promise<{ points: string[]; ms: number }> {
  const trace = join(project.root, 'trace');
  const started = performance.now();
  await shipOnce({ LANDFALL_CRASH_TRACE: trace });
  const took = performance.now() - started;
  return { points: readFileSync(trace, 'utf8').trim().split('\n'), ms: took };
}

describe('ship', () => {
  it('passes crash points at every step', () => {
    const names = new Set(points.map((point) => point.replace(/#\d+$/, '')));
    expect([...names]).toEqual(
      expect.arrayContaining([
        'ship-artifact-packed',
        'ship-delta-made',
        'ship-built',
        'ship-signature-written',
        'ship-signed',
        'ship-release-ensured',
        'ship-artifact-uploaded',
        'ship-uploaded',
        'ship-artifact-read-back',
        'ship-read-back',
        'ship-index-prepared',
        'ship-index-written',
        'ship-index-read-back',
        'mirror-part-written',
        'mirror-index-file-written',
      ]),
    );
  });
});

function watch(): ReturnType<typeof watchPublication> {
  return watchPublication({
    mirrors: openMirrors(project.config.mirrors),
    app: 'archipelago',
    policy: { keys: [parsePublicKey(project.publicKey)], threshold: 1 },
    intervalMs: 5,
  });
}

/** Ends the watch. Fails when an index ever named what its mirror did not serve. */
async function expectUnbroken(watcher: ReturnType<typeof watchPublication>): Promise<void> {
  const seen = await watcher.stop();
  expect(seen.broken).toEqual([]);
  // Mirrors had an index from the start: a watcher that saw none did not watch.
  expect(seen.indexes).toBeGreaterThan(seen.looks);
}

/** The manifest that was signed here so far, as text. */
function signed(): string | undefined {
  const path = join(project.directory, '.release', NEW, 'manifest.json');
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

/** Ships to the end; the manifest that the mirrors then serve, all with the same bytes. */
async function finish(): Promise<string> {
  expect(await project.release(['ship'])).toMatchObject({ code: 0 });
  expectComplete(project, NEW);
  return readFileSync(join(project.mirror('oslo'), 'releases', 'manifest.json'), 'utf8');
}

describe('the watcher', () => {
  it('sees an index that names what its mirror lacks', async () => {
    const file = 'releases/download/v1.1.0/web-ui-1.1.0.tar.zst';
    const artifact = join(project.mirror('lima'), file);
    renameSync(artifact, `${artifact}.gone`);
    const seen = await watch().stop();
    renameSync(`${artifact}.gone`, artifact);
    const broken = "'lima' names 1.1.0 web-ui-1.1.0.tar.zst: found nothing";
    expect(new Set(seen.broken)).toEqual(new Set([broken]));
  });
});

describe('ship, killed', () => {
  let watcher: ReturnType<typeof watchPublication>;
  afterEach(() => watcher.stop());

  /** Back to where only the first release was shipped. */
  beforeEach(() => {
    rmSync(project.root, { recursive: true });
    cpSync(saved, project.root, { recursive: true, preserveTimestamps: true });
    watcher = watch();
  });

  it.each(visited('crash points of ship', points, 5))(
    'at %s is finished by the next run',
    async (point) => {
      const killed = await project.release(['ship'], { env: { LANDFALL_CRASH_AT: point } });
      expect(killed.signal).toBe('SIGKILL');
      const begun = signed();
      const served = await finish();
      expect(served).toBe(begun ?? signed());
      await expectUnbroken(watcher);
    },
  );

  it.each(visited('random kills of ship', SEEDS, 2))(
    'at random moments is finished by the next run (seed %d)',
    async (seed) => {
      const random = seededRandom(seed);
      let begun: string | undefined;
      for (let kills = 0; kills < 2; kills += 1) {
        const running = startCommand('release', ['ship'], { cwd: project.directory });
        await sleep(random() * ms);
        running.child.kill('SIGKILL');
        await running.done;
        begun ??= signed();
      }
      expect(await finish()).toBe(begun ?? signed());
      const files = filesOf(project.mirror('oslo'));
      expect((await project.release(['ship'])).stdout).toContain('everything is already there');
      expect(filesOf(project.mirror('oslo'))).toEqual(files);
      await expectUnbroken(watcher);
    },
  );
});
