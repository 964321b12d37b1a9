/**
 * A publisher killed after each of its steps: the next run completes the
 * mirrors, without a second copy of anything, and what readers see is never
 * half of something.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { digestOf, formatHead, HEAD_PATH } from '../../mirrors/head.ts';
import { cleanEnvironment } from '../harness/command.ts';
import { giteaScene, REPOSITORY } from '../harness/gitea-scene.ts';
import { commitFiles, headOf } from '../harness/gitea-stand-in/state.ts';
import { releaseOf, uploadAsset } from '../harness/gitea-subject.ts';
import { mirrorFolder } from '../harness/mirror-folder.ts';
import type { PublishJob } from '../harness/publish-process.ts';
import { temporaryFolder } from '../harness/temporary.ts';
import { makeArtifact } from '../mirrors/conformance.ts';

const SCRIPT = fileURLToPath(new URL('../harness/publish-process.ts', import.meta.url));
const VERSION = '1.2.3';
const INDEX = 'releases/manifest.json';

/** How it ended: an exit code or a signal. */
function run(job: PublishJob, env: Record<string, string>): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [SCRIPT, JSON.stringify(job)], {
      env: cleanEnvironment({ PATH: process.env['PATH'], ...env }),
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(signal ?? String(code)));
  });
}

/** Every crash point that a whole run passes, numbered. */
async function pointsOf(job: PublishJob, env: Record<string, string>): Promise<string[]> {
  const trace = join(temporaryFolder(), 'trace');
  expect(await run(job, { ...env, LANDFALL_CRASH_TRACE: trace })).toBe('0');
  return readFileSync(trace, 'utf8').trim().split('\n');
}

describe('a publisher that is killed', () => {
  it('at any step leaves a directory mirror that the next run completes', async () => {
    const artifact = makeArtifact('a.tar.zst', 300_000);
    const jobFor = (folder: string): PublishJob => ({
      mirrors: [{ type: 'directory', path: folder }],
      version: VERSION,
      path: artifact.path,
      manifest: '{"sequence":1}\n',
      repository: join(temporaryFolder(), 'index.git'),
    });
    const points = await pointsOf(jobFor(mirrorFolder()), {});
    expect(points).toEqual([
      'mirror-release-ensured#1',
      'mirror-part-written#1',
      'mirror-uploaded#1',
      'mirror-head-written#1',
      'mirror-index-file-written#1',
      'mirror-index-written#1',
    ]);
    for (const point of points) {
      const folder = mirrorFolder();
      const job = jobFor(folder);
      const file = join(folder, 'releases/download/v1.2.3/a.tar.zst');
      expect(await run(job, { LANDFALL_CRASH_AT: point })).toBe('SIGKILL');
      const seen = existsSync(file) ? readFileSync(file) : artifact.bytes;
      expect(seen.equals(artifact.bytes), point).toBe(true);
      const head = formatHead(new Map([[INDEX, digestOf(Buffer.from(job.manifest))]]));
      const found = (path: string): string | undefined =>
        existsSync(join(folder, path)) ? readFileSync(join(folder, path), 'utf8') : undefined;
      const told = Buffer.from(head ?? '').toString();
      // Before what it tells of, never after.
      expect(found(INDEX) === undefined || found(HEAD_PATH) === told, point).toBe(true);
      expect(await run(job, {})).toBe('0');
      expect(found(HEAD_PATH), point).toBe(told);
      expect(readdirSync(join(folder, 'releases/download/v1.2.3')), point).toEqual(['a.tar.zst']);
      expect(readFileSync(file).equals(artifact.bytes)).toBe(true);
      expect(readFileSync(join(folder, 'releases/manifest.json'), 'utf8')).toBe(job.manifest);
    }
  });

  it('at any step leaves a Gitea mirror that the next run completes', async () => {
    const artifact = makeArtifact('a.tar.zst', 300_000);
    const setUp = async () => {
      const scene = await giteaScene();
      const { url, token } = scene.place;
      const job: PublishJob = {
        mirrors: [{ type: 'gitea', url, repository: REPOSITORY, token: { env: 'TOKEN' } }],
        version: VERSION,
        path: artifact.path,
        manifest: '{"sequence":1}\n',
        repository: join(temporaryFolder(), 'index.git'),
      };
      return { scene, job, env: { TOKEN: token } };
    };
    const first = await setUp();
    const points = await pointsOf(first.job, first.env);
    const expected = headOf(first.scene.server.repository(), 'main');
    expect(points).toEqual([
      'mirror-release-ensured#1',
      'mirror-asset-sent#1',
      'mirror-uploaded#1',
      'mirror-release-published#1',
      'index-commit-made#1',
      'mirror-index-written#1',
    ]);
    for (const point of points) {
      const { scene, job, env } = await setUp();
      expect(await run(job, { ...env, LANDFALL_CRASH_AT: point })).toBe('SIGKILL');
      const elsewhere = { ...job, repository: join(temporaryFolder(), 'index.git') };
      expect(await run(elsewhere, env)).toBe('0');
      const release = await releaseOf(scene.place, VERSION);
      expect(release, point).toMatchObject({ draft: false, assets: [{ name: 'a.tar.zst' }] });
      expect(release.assets).toHaveLength(1);
      expect(scene.server.repository().releases).toHaveLength(1);
      expect(headOf(scene.server.repository(), 'main'), point).toBe(expected);
    }
  });

  it('between two leftovers leaves the good one', async () => {
    const scene = await giteaScene();
    const { place } = scene;
    const artifact = makeArtifact('a.tar.zst', 1000);
    commitFiles(scene.server.repository(), 'main', { x: 'y' }, 'Source');
    const job: PublishJob = {
      mirrors: [{ type: 'gitea', url: place.url, repository: REPOSITORY, token: { env: 'TOKEN' } }],
      version: VERSION,
      path: artifact.path,
      manifest: '{}\n',
      repository: join(temporaryFolder(), 'index.git'),
    };
    const env = { TOKEN: place.token };
    await scene.writer.ensureRelease(
      { version: VERSION, notes: '', prerelease: false, files: [] },
      {},
    );
    const { id } = await releaseOf(place, VERSION);
    for (const bytes of [Buffer.alloc(5), artifact.bytes, Buffer.alloc(1000)]) {
      await uploadAsset(place, id, artifact.file, bytes);
    }
    expect(await run(job, { ...env, LANDFALL_CRASH_AT: 'mirror-leftover-removed' })).toBe(
      'SIGKILL',
    );
    expect((await releaseOf(place, VERSION)).assets).toHaveLength(2);
    expect(await run(job, env)).toBe('0');
    const { assets } = await releaseOf(place, VERSION);
    expect(assets.map(({ size }) => size)).toEqual([1000]);
  });
});
