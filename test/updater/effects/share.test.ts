/** Whose files a release that is staged shares, and when it has all to itself. */
import { chmodSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { contentDigest, hostPlatform, selectArtifacts } from '@landfall/manifest';
import { openMirrors } from '@landfall/mirrors';
import { describe, expect, it } from 'vitest';
import { findDamage } from '../../../updater/deployments.ts';
import { stage, type Stageable } from '../../../updater/effects/stage.ts';
import { switchCurrent } from '../../../updater/effects/switch.ts';
import { pinGolden } from '../../../updater/golden.ts';
import { makeHost, type TestHost } from '../../harness/host.ts';
import {
  exampleWebUi,
  makeMirror,
  publish,
  type Release,
  ReleaseFactory,
} from '../../harness/release-factory.ts';
import { temporaryFolder } from '../../harness/temporary.ts';

interface Scene {
  host: TestHost;
  /** Makes a release whose `same.txt` is always the same, stages it and switches to it; its offer. */
  run: (version: string) => Promise<Stageable>;
  /** The inode of `same.txt`. */
  inode: (offer: Stageable) => number;
}

function makeScene(top = ''): Scene {
  const folder = temporaryFolder();
  chmodSync(folder, 0o755);
  const factory = new ReleaseFactory(join(folder, 'releases'));
  const mirror = makeMirror(join(folder, 'mirror'));
  const host = makeHost({ folder, key: factory.publicKey, top });
  return {
    host,
    inode: ({ deployment: { id } }) =>
      statSync(join(host.paths.deployments, id, 'web-ui/same.txt')).ino,
    run: async (version) => {
      const webUi = { ...exampleWebUi(version), 'same.txt': 'the same' };
      const offer = toOffer(host, await factory.make({ version, webUi }), mirror);
      await stage(host, offer);
      switchCurrent(host.paths, offer.deployment);
      host.store.lookAgain();
      expect(findDamage(host.paths, offer.deployment)).toBeUndefined();
      return offer;
    },
  };
}

function toOffer(host: TestHost, release: Release, mirror: string): Stageable {
  publish(release, mirror);
  const { manifest, deploymentId: id } = release;
  const { version, sequence } = manifest;
  const selected = selectArtifacts(manifest, hostPlatform());
  const digest = contentDigest(selected);
  const mirrors = openMirrors(host.config.mirrors);
  return { deployment: { id, version, digest, sequence }, selected, mirrors };
}

describe('a release that is staged', () => {
  it('shares files with what runs, and says so', async () => {
    const { host, run, inode } = makeScene();
    const [first, second] = [await run('1.0.0'), await run('1.1.0')];
    expect(inode(second)).toBe(inode(first));
    const { id } = first.deployment;
    expect(host.notes).toContain(`'web-ui' shares 1 file (8 B) with ${id}`);
    expect(inode(await run('1.2.0'))).toBe(inode(first));
  });

  it('shares none where they are to be apart', async () => {
    const { run, inode } = makeScene('share_files = false');
    expect(inode(await run('1.0.0'))).not.toBe(inode(await run('1.1.0')));
  });

  it('shares none with the last resort, which gets its own when it is pinned', async () => {
    const { host, run, inode } = makeScene();
    const [first, second] = [await run('1.0.0'), await run('1.1.0')];
    expect(inode(second)).toBe(inode(first));
    pinGolden(host, second.deployment);
    expect(inode(second)).not.toBe(inode(first));
    expect(findDamage(host.paths, second.deployment)).toBeUndefined();
    expect(inode(await run('1.2.0'))).not.toBe(inode(second));
  });
});
