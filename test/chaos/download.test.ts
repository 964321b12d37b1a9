/**
 * A download from several mirrors at once is killed at every step of it. The
 * next one goes on with what is right on the disk, looks at all of it first, and
 * fetches nothing else.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { visited } from '../harness/chaos.ts';
import { startFaultyMirror } from '../harness/faulty-mirror.ts';
import type { FaultyServer } from '../harness/http-faults.ts';
import { askedFrames, framesOf, killedDownload, rightFrames } from '../harness/killed-download.ts';
import { makeNode } from '../harness/node.ts';
import { exampleWebUi, makeMirror, publish, ReleaseFactory } from '../harness/release-factory.ts';
import { temporaryFolder } from '../harness/temporary.ts';

const POINTS = [
  'download-looked#1',
  'download-part-written#1',
  'download-part-written#4',
  'download-frame-written#1',
  'download-frame-written#5',
  'download-frame-counted#1',
  'download-frame-counted#3',
  'download-frame-counted#7',
];

describe('a download by frames', () => {
  it('is gone on with after a kill at each of its steps, and counts nothing unseen', async () => {
    for (const point of visited('crash points of a download', POINTS, 3)) {
      const download = await killedDownload();
      // One of the three lies, so that wrong bytes are on the disk too.
      download.servers[1]?.rules.push({ fault: { kind: 'wrong-bytes' } });
      expect(await download.start({ LANDFALL_CRASH_AT: point }), point).toBe('SIGKILL');
      const [name, count] = point.split('#');
      const least = name === 'download-frame-counted' ? Number(count) : 0;
      const right = download.right();
      expect(right.length, point).toBeGreaterThanOrEqual(least);
      // What counted once is not believed: it is damaged while nobody looks.
      const [first] = right;
      if (first !== undefined) download.damage(first);
      await download.finish();
      expect(readdirSync(dirname(download.to)), point).toHaveLength(1);
    }
  });
});

describe('an update from several mirrors', () => {
  const FRAME = 300_000;

  it('that is killed while frames land ends on the release, and leaves nothing over', async () => {
    const folder = temporaryFolder();
    const factory = new ReleaseFactory(join(folder, 'releases'));
    const mirror = makeMirror(join(folder, 'mirror'));
    const servers: FaultyServer[] = [];
    for (let count = 0; count < 3; count += 1) {
      const server = await startFaultyMirror(mirror, undefined, { ranges: true });
      onTestFinished(() => server.stop());
      servers.push(server);
    }
    const mirrors = servers.map(({ url }) => url);
    const node = await makeNode({ keys: [factory.publicKey], mirrors });
    const large = randomBytes(7 * FRAME);
    let frames: ReturnType<typeof framesOf> = [];
    const release = await factory.make({
      version: '1.0.0',
      webUi: { ...exampleWebUi('1.0.0'), large },
      change: ({ version, components }) => {
        const [artifact] = components[0]?.artifacts ?? [];
        if (artifact === undefined) throw new Error('the release has no artifact');
        const path = join(folder, `releases/1-${version}`, artifact.file);
        artifact.frames = frames = framesOf(readFileSync(path), FRAME);
      },
    });
    publish(release, mirror);
    const at = 'download-frame-counted#3';
    const killed = await node.updater(['apply'], { env: { LANDFALL_CRASH_AT: at } });
    expect(killed.signal, killed.stderr).toBe('SIGKILL');
    const [name = ''] = readdirSync(join(node.state, 'downloads'));
    const right = rightFrames(join(node.state, 'downloads', name), frames);
    expect(right.length).toBeGreaterThanOrEqual(3);
    for (const { requests } of servers) requests.splice(0);
    const ended = await node.updater(['once']);
    expect(ended.code, ended.stderr).toBe(0);
    expect(askedFrames(servers, FRAME)).toEqual(
      frames.flatMap((_, index) => (right.includes(index) ? [] : [index])),
    );
    expect(node.current()).toBe(release.deploymentId);
    expect(readFileSync(join(node.root, 'current/web-ui/large')).equals(large)).toBe(true);
    expect(readdirSync(join(node.state, 'downloads'))).toEqual([]);
    expect(readdirSync(join(node.root, 'deployments'))).toEqual([release.deploymentId]);
  });
});
