/** Releases that are unpacked while they are downloaded, from a mirror that has its moods. */
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openMirrors } from '@landfall/mirrors';
import { describe, expect, it, onTestFinished } from 'vitest';
import { stage } from '../../../updater/effects/stage.ts';
import { errorOf } from '../../harness/errors.ts';
import { startFaultyMirror } from '../../harness/faulty-mirror.ts';
import type { FaultyServer } from '../../harness/http-faults.ts';
import { askedFrames, framesOf, rightFrames } from '../../harness/killed-download.ts';
import { makeStagingScene, type Staged, type StagingScene } from '../../harness/staging-scene.ts';

/** Bytes of ranges that end in the middle of what is compressed together. */
const FRAME = 3_000_000;
const LARGE = randomBytes(7 * FRAME);
const DOWNLOAD = /\/download\//;

interface Scene extends StagingScene {
  release: Staged;
  server: FaultyServer;
  /** Path of what was downloaded. */
  download: string;
  /** How many ranges are signed, and those that are right in it. */
  ranges: number;
  right: () => number[];
  /** What stands in the folders of downloads and of deployments. */
  left: () => string[];
}

/** A release at one mirror. `make`: signed is what it makes of the archive, in ranges of `FRAME`; else as it was packed. */
async function scene(make?: (archive: Buffer) => Buffer): Promise<Scene> {
  const parts = makeStagingScene();
  const { folder, mirror, host } = parts;
  let frames: ReturnType<typeof framesOf> = [];
  const made = await parts.make(
    '1.0.0',
    { 'a-first.txt': 'first\n', large: LARGE },
    {
      change: ({ version, components }) => {
        const [artifact] = components[0]?.artifacts ?? [];
        if (artifact === undefined) throw new Error('the release has no artifact');
        const path = join(folder, `releases/1-${version}`, artifact.file);
        if (make !== undefined) {
          const archive = make(readFileSync(path));
          writeFileSync(path, archive);
          Object.assign(artifact, { size: archive.length, frames: framesOf(archive, FRAME) });
        }
        frames = artifact.frames ?? [];
      },
    },
  );
  const server = await startFaultyMirror(mirror, undefined, { ranges: true });
  onTestFinished(() => server.stop());
  const mirrors = openMirrors([{ type: 'directory', name: 'far', url: server.url }]);
  const file = made.selected[0]?.artifact.file ?? '';
  const { downloads, deployments } = host.paths;
  const download = join(downloads, `${file}.unverified`);
  return {
    ...parts,
    release: { ...made, mirrors },
    server,
    download,
    ranges: frames.length,
    right: () => rightFrames(download, frames),
    left: () =>
      [downloads, deployments].flatMap((each) => (existsSync(each) ? readdirSync(each) : [])),
  };
}

async function until(seen: () => boolean): Promise<void> {
  for (let tries = 0; !seen(); tries += 1) {
    if (tries > 1000) throw new Error('never seen');
    await sleep(5);
  }
}

describe('a release of which ranges are signed', () => {
  it('is unpacked while the rest of it is downloaded', async () => {
    const { host, release, server, ranges, right, left } = await scene();
    server.rules.push({ path: DOWNLOAD, skip: 1, fault: { kind: 'hold', ms: 600_000 } });
    const staged = stage(host, release);
    const staging = join(host.paths.deployments, `.staging-${release.deployment.id}`);
    const first = join(staging, 'web-ui/assets/app.js');
    await until(() => existsSync(join(staging, 'web-ui/large')));
    expect(existsSync(first)).toBe(true);
    expect(right().length).toBeLessThan(ranges);
    await server.stop();
    await server.start();
    server.rules.splice(0);
    await staged;
    expect(readFileSync(release.at('web-ui/large')).equals(LARGE)).toBe(true);
    expect(left()).toEqual([release.deployment.id]);
  });

  it('that does not come is left, with what was downloaded of it, and gone on with', async () => {
    const { host, release, server, ranges, right, run, left } = await scene((archive) => archive);
    const down = { kind: 'status', status: 503 } as const;
    server.rules.push({ path: DOWNLOAD, skip: 2, fault: down });
    const error = await errorOf(() => stage(host, release));
    expect(error.message).toContain("'far'");
    const here = right();
    expect(here.length).toBeGreaterThan(0);
    server.rules.splice(0);
    server.requests.splice(0);
    await run(release);
    const missing = Array.from({ length: ranges }, (_, index) => index).filter(
      (index) => !here.includes(index),
    );
    expect(askedFrames([server], FRAME)).toEqual(missing);
    expect(left()).toEqual([release.deployment.id]);
  });

  it('that the mirror does not have is left with a hint at a command of a node', async () => {
    const { host, release, server } = await scene();
    server.rules.push({ path: DOWNLOAD, fault: { kind: 'status', status: 404 } });
    const error = await errorOf(() => stage(host, release));
    expect(error.message).toContain("mirror 'far': has no 'web-ui-1.0.0.tar.zst'");
    expect(error.hint).toContain("'updater check'");
  });

  it('is refused before all of it came, and nothing of it is kept', async () => {
    // What is compressed begins as it should, and does not go on so.
    const { host, release, server, ranges, left } = await scene((archive) =>
      archive.fill(0xff, 3 * FRAME),
    );
    server.rules.push({ path: DOWNLOAD, skip: 3, fault: { kind: 'slow', bytesPerSecond: 1000 } });
    const error = await errorOf(() => stage(host, release));
    expect(error.code).toBe('RELEASE_REFUSED');
    expect(readdirSync(host.paths.downloads)).toEqual([]);
    expect(left().filter((name) => !name.startsWith('.staging-'))).toEqual([]);
    expect(askedFrames([server], FRAME).length).toBeLessThan(ranges);
  });

  it('is left when the node is told to stop, and what came is kept', async () => {
    const parts = await scene();
    const { release, server, download } = parts;
    const stop = new AbortController();
    const host = { ...parts.host, signal: stop.signal };
    server.rules.push({ path: DOWNLOAD, skip: 1, fault: { kind: 'hold', ms: 600_000 } });
    const staged = stage(host, release);
    staged.catch(() => {});
    await until(() => parts.right().length > 0);
    stop.abort(new Error('told to stop'));
    await expect(staged).rejects.toThrow('told to stop');
    expect(existsSync(download)).toBe(true);
  });
});
