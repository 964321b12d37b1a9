/** What a node makes of what a manifest says besides its components; and of a link that somebody moved. */
import { readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Manifest } from '@landfall/manifest';
import { describe, expect, it } from 'vitest';
import { makeWorld } from '../harness/world.ts';

describe('what the manifest says', () => {
  it.each([
    [
      'expired',
      (m) =>
        Object.assign(m, { published: '2020-01-01T00:00:00Z', expires: '2020-02-01T00:00:00Z' }),
      'has expired',
    ],
    ['withdrawn', (m) => m.withdrawn.push('1.1.0'), '1.1.0 was withdrawn by its maintainer'],
    ['requires.updater', (m) => (m.requires.updater = '>=99.0.0'), '1.1.0 needs updater >=99.0.0'],
    [
      'requires.from',
      (m) => (m.requires.from = '>=1.0.5'),
      '1.1.0 can only follow >=1.0.5, this node runs 1.0.0',
    ],
    [
      'platform',
      (m) => m.components[0]?.artifacts.forEach((a) => (a.platform = 'plan9-vax')),
      'has nothing for',
    ],
  ] satisfies [string, (manifest: Manifest) => unknown, string][])(
    '%s: refused with exit code 3',
    async (_, change, expected) => {
      const { node, ship } = await makeWorld();
      await ship('1.0.0');
      await node.updater(['apply']);
      await ship('1.1.0', { change: (manifest) => void change(manifest) });
      const outcome = await node.updater(['apply']);
      expect(outcome.stdout).toContain(expected);
      expect(outcome.code).toBe(3);
      expect(node.page()).toContain('version 1.0.0');
      expect((await node.updater(['status'])).stdout).toContain(expected);
    },
  );

  it('a withdrawal takes nodes back to an older release', async () => {
    const { node, ship } = await makeWorld();
    await ship('1.0.0');
    await node.updater(['apply']);
    await ship('1.1.0');
    await node.updater(['apply']);
    await ship('1.0.0');
    const refused = await node.updater(['once']);
    expect(refused.code).toBe(3);
    expect(refused.stdout).toContain('1.0.0 is older than 1.1.0, which was not withdrawn');
    await ship('1.0.0', { change: (manifest) => void manifest.withdrawn.push('1.1.0') });
    expect((await node.updater(['once'])).code).toBe(0);
    expect(node.page()).toContain('version 1.0.0');
    expect(node.floor()).toBe(4);
  });
});

describe('a node whose link was moved by hand', () => {
  it('believes the link, says so, and goes on from there', async () => {
    const { node, ship } = await makeWorld();
    await ship('1.0.0');
    await node.updater(['apply']);
    const first = readlinkSync(join(node.root, 'current'));
    await ship('1.1.0');
    await node.updater(['apply']);
    rmSync(join(node.root, 'current'));
    symlinkSync(first, join(node.root, 'current'));
    const status = (await node.updater(['status'])).stdout;
    expect(status).toContain("WARNING: 'current' was changed by hand: expected 1.1.0-");
    expect(status).toMatch(/^archipelago +1\.0\.0 /m);
    expect((await node.updater(['once'])).code).toBe(0);
    expect(node.page()).toContain('version 1.1.0');
    expect((await node.updater(['status'])).stdout).not.toContain('WARNING');
  });
});
