/** A release that is kept costs its difference: what it has in common with what runs is stored once. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeNode } from '../harness/node.ts';
import { useProject, writeWebUi } from '../harness/project.ts';
import { exampleWebUi, type Files } from '../harness/release-factory.ts';
import { makeWorld, type World } from '../harness/world.ts';

const LARGE = randomBytes(4 * 1024 * 1024);

/** A page of its own, and a large file that does not change. */
function webUi(version: string): Files {
  return { ...exampleWebUi(version), 'fonts/large.woff2': LARGE };
}

/** A node on which 1.0.0 was installed, then 1.1.0. */
async function twoReleases(): Promise<World & { ids: string[]; cost: number }> {
  const world = await makeWorld();
  const { node, ship } = world;
  const first = await ship('1.0.0', { webUi: webUi('1.0.0') });
  expect((await node.updater(['apply'])).code).toBe(0);
  const before = usage(world);
  const second = await ship('1.1.0', { webUi: webUi('1.1.0') });
  expect((await node.updater(['apply'])).code).toBe(0);
  const ids = [first.deploymentId, second.deploymentId];
  return { ...world, ids, cost: usage(world) - before };
}

/** Bytes that all deployments take on the disk, as du counts them. */
function usage({ node }: World): number {
  const folder = join(node.root, 'deployments');
  return Number.parseInt(execFileSync('du', ['-s', '-B1', folder], { encoding: 'utf8' }), 10);
}

const inodes = ({ node }: World, ids: readonly string[], path: string): number[] =>
  ids.map((id) => statSync(join(node.root, 'deployments', id, 'web-ui', path)).ino);

describe('a release that is kept beside the next', () => {
  it('costs its difference on the disk; what is damaged in both is restored in both', async () => {
    const world = await twoReleases();
    const { node, ids, cost } = world;
    expect(cost).toBeLessThan(200_000);
    const [a, b] = inodes(world, ids, 'fonts/large.woff2');
    expect(a).toBe(b);
    const shared = { component: 'web-ui', with: ids[0], files: 1, bytes: LARGE.length };
    expect(node.journal()).toContainEqual(expect.objectContaining({ shared }));
    // Written to where it lies: both releases have it.
    const font = join(node.root, 'current/web-ui/fonts/large.woff2');
    writeFileSync(font, Buffer.alloc(LARGE.length));
    const healed = await node.updater(['heal']);
    expect(healed.code, healed.stderr).toBe(0);
    expect(readFileSync(font).equals(LARGE)).toBe(true);
    expect((await node.updater(['rollback', '--reason', 'test'])).code).toBe(0);
    expect(node.current()).toBe(ids[0]);
    expect(readFileSync(font).equals(LARGE)).toBe(true);
  });
});

describe('a release that was shipped with deltas', () => {
  it('comes to a node by what changed, and nothing else of it does', async () => {
    const site = await useProject({
      mirrors: ['oslo'],
      configure: (config) => {
        config.deltas = 1;
        config.components = [{ name: 'web-ui', kind: 'tree', from: 'dist' }];
      },
    });
    site.write('dist/large.woff2', LARGE);
    const node = await makeNode({ keys: [site.publicKey], mirrors: [site.mirror('oslo')] });
    for (const version of ['1.0.0', '1.1.0']) {
      writeWebUi(site, version);
      const shipped = await site.release(['ship', version]);
      expect(shipped.code, shipped.stderr).toBe(0);
      const applied = await node.updater(['apply']);
      expect(applied.code, applied.stderr).toBe(0);
      const said = /downloading (\S+)/.exec(applied.stderr)?.[1];
      expect(said).toMatch(version === '1.0.0' ? /\.tar\.zst$/ : /\.from-1\.0\.0\.delta$/);
    }
    expect(node.page()).toContain('1.1.0');
    const line = node.journal().find((each) => 'delta' in each);
    expect(line).toMatchObject({ delta: { component: 'web-ui', from: '1.0.0' } });
  });
});
