/** Whose files a release that is staged shares, and when it has all to itself. */
import { statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { findDamage } from '../../../updater/deployments.ts';
import { pinGolden } from '../../../updater/golden.ts';
import { makeStagingScene, type Staged, type StagingScene } from '../../harness/staging-scene.ts';

const SAME = { 'same.txt': 'the same' };
const inode = (staged: Staged): number => statSync(staged.at('web-ui/same.txt')).ino;
const next = async ({ run, make }: StagingScene, version: string): Promise<Staged> =>
  run(await make(version, SAME));

describe('a release that is staged', () => {
  it('shares files with what runs, and says so', async () => {
    const scene = makeStagingScene();
    const [first, second] = [await next(scene, '1.0.0'), await next(scene, '1.1.0')];
    expect(inode(second)).toBe(inode(first));
    const { id } = first.deployment;
    expect(scene.host.notes).toContain(`'web-ui' shares 1 file (8 B) with ${id}`);
    expect(inode(await next(scene, '1.2.0'))).toBe(inode(first));
  });

  it('shares none where they are to be apart', async () => {
    const scene = makeStagingScene('share_files = false');
    expect(inode(await next(scene, '1.0.0'))).not.toBe(inode(await next(scene, '1.1.0')));
  });

  it('shares none with the last resort, which gets its own when it is pinned', async () => {
    const scene = makeStagingScene();
    const [first, second] = [await next(scene, '1.0.0'), await next(scene, '1.1.0')];
    expect(inode(second)).toBe(inode(first));
    pinGolden(scene.host, second.deployment);
    expect(inode(second)).not.toBe(inode(first));
    expect(findDamage(scene.host.paths, second.deployment)).toBeUndefined();
    expect(inode(await next(scene, '1.2.0'))).not.toBe(inode(second));
  });
});
