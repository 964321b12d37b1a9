/** What was installed before and cannot be read back any more keeps no node from leaving it. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeWorld, type World } from '../harness/world.ts';

/** A node that runs the last of `versions`, and repairs nothing by itself. */
async function runs(versions: readonly string[], probation: string): Promise<World> {
  const top = [`probation = "${probation}"`];
  const world = await makeWorld({ top, tables: ['[heal]', 'enabled = false'] });
  for (const version of versions) {
    await world.ship(version);
    expect(await world.node.updater(['apply', version])).toMatchObject({ code: 0 });
  }
  return world;
}

/** A file stands in the place of the folder of a release's pages. */
function spoil({ node }: World, deployment: string): void {
  const ui = join(node.root, 'deployments', deployment, 'web-ui');
  rmSync(ui, { recursive: true });
  writeFileSync(ui, 'a hand was here');
}

describe('a release whose pages cannot be read any more', () => {
  it('does not pass, and is left for the next one', async () => {
    const world = await runs(['1.0.0'], '0s');
    const { node, ship } = world;
    spoil(world, node.current() ?? '');
    const verified = await node.updater(['verify']);
    expect(verified, verified.stderr).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('its files cannot be read') as string,
    });
    await ship('1.1.0');
    const applied = await node.updater(['apply']);
    expect(applied, applied.stderr).toMatchObject({ code: 0 });
    expect(node.page()).toContain('version 1.1.0');
  });

  it('is left for the one before it while it is in probation', async () => {
    const world = await runs(['1.0.0', '1.1.0'], '1h');
    const { node } = world;
    expect(node.stateName()).toBe('probation');
    spoil(world, node.current() ?? '');
    await node.updater(['verify']);
    expect(node.page()).toContain('version 1.0.0');
    expect(node.stateName()).toBe('rolled-back');
  });

  it('and that a rollback leads to ends it: degraded, with nothing left to finish', async () => {
    const world = await runs(['1.0.0'], '0s');
    const { node, ship } = world;
    const old = node.current() ?? '';
    await ship('1.1.0');
    let isSpoiled = false;
    node.web.fault = ({ target }) => {
      if (!target.includes('/1.1.0-')) return undefined;
      if (!isSpoiled) spoil(world, old);
      isSpoiled = true;
      return { status: 500 };
    };
    const applied = await node.updater(['apply']);
    expect(applied, applied.stderr).toMatchObject({ code: 1 });
    expect(node.current()).toBe(old);
    expect(node.stateName()).toBe('degraded');
    expect(node.hasMarker()).toBe(false);
  });
});
