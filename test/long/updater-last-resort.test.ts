/**
 * The golden deployment, told with the real command: it stays on the disk, and
 * the node goes to it, once, when neither what runs nor what ran before it is
 * of use.
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { TestNode } from '../harness/node.ts';
import type { Release } from '../harness/release-factory.ts';
import { makeWorld, type World } from '../harness/world.ts';

/** A node that ran `versions`, one after the other, with the first of them pinned, and keeps two. */
async function makePinned(versions: readonly string[]): Promise<World & { pinned: Release }> {
  const world = await makeWorld({ top: ['probation = "0s"', 'keep = 2'] });
  const [first = '', ...rest] = versions;
  const pinned = await world.ship(first);
  expect((await world.node.updater(['apply'])).code).toBe(0);
  const pin = await world.node.updater(['golden', first]);
  expect(pin).toMatchObject({ code: 0, stdout: expect.stringContaining('is the last resort') });
  for (const version of rest) {
    await world.ship(version);
    expect((await world.node.updater(['apply'])).code).toBe(0);
  }
  return { ...world, pinned };
}

function kept(node: TestNode): string[] {
  const names = readdirSync(join(node.root, 'deployments')).toSorted();
  return names.map((id) => id.replace(/-[0-9a-f]{12}$/, ''));
}

/** Versions that `current` was switched to since the journal had `since` lines. */
function switches(node: TestNode, since: number): unknown[] {
  const lines = node.journal().slice(since);
  return lines
    .filter((line) => line['effect'] === 'switch')
    .map((line) => String(line['deployment']).replace(/-[0-9a-f]{12}$/, ''));
}

it('is kept whatever is tidied, and gone to when the two others are damaged on the disk', async () => {
  const { node, pinned, ship } = await makePinned(['1.0.0', '1.1.0', '1.2.0', '1.3.0']);
  expect(kept(node)).toStrictEqual(['1.0.0', '1.2.0', '1.3.0']);
  expect((await node.updater(['golden'])).stdout).toMatch(/^1\.0\.0 .*last resort, .*it is whole/);
  const other = await node.updater(['golden', '1.1.0']);
  expect(other).toMatchObject({ code: 3, stdout: expect.stringContaining('is not on the disk') });
  expect(await node.json(['golden', '1.2.0', '--dry-run'])).toMatchObject({ dryRun: true });
  expect(await node.json(['golden', '--unpin', '--dry-run'])).toMatchObject({ golden: null });
  expect(node.read('golden.json')).toMatchObject({ deployment: { version: '1.0.0' } });

  const page = (id: string): string => join(node.root, 'deployments', id, 'web-ui/index.html');
  const damage = (version: string): void => {
    const id = readdirSync(join(node.root, 'deployments')).find((each) => each.includes(version));
    writeFileSync(page(id ?? ''), 'a hand was here');
  };
  damage('1.3.0');
  const alone = await node.updater(['verify']);
  expect(alone.code, 'what ran before is whole: nothing is left for it').toBe(0);
  damage('1.2.0');
  const since = node.journal().length;
  const went = await node.updater(['verify']);
  expect(went, went.stderr).toMatchObject({ code: 1 });
  expect(went.stdout).toMatch(
    /rolled back from 1\.3\.0 to 1\.0\.0 \(the golden deployment, as the last resort\): '1\.3\.0-\w+' is not what was installed/,
  );
  expect(node.current()).toBe(pinned.deploymentId);
  expect(node.page()).toContain('version 1.0.0');
  expect((await node.updater(['verify'])).code).toBe(0);
  expect(switches(node, since)).toStrictEqual(['1.0.0']);
  const { stdout: screen } = await node.updater(['status']);
  expect(screen).toMatch(/last resort +1\.0\.0, pinned/);
  expect(screen).toMatch(/rolled-back from 1\.3\.0 \(the golden deployment, as the last resort\)/);
  expect(node.quarantined()).toStrictEqual([]);
  // The next release finds the node as any other does, and what was pinned stays.
  await ship('1.4.0');
  expect((await node.updater(['once'])).code).toBe(0);
  expect(node.page()).toContain('version 1.4.0');
  expect(kept(node)).toContain('1.0.0');

  writeFileSync(page(pinned.deploymentId), 'a hand was here');
  expect(await node.updater(['golden'])).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('it could not be gone to'),
  });
  expect((await node.updater(['golden', '--unpin'])).code).toBe(0);
  expect(node.read('golden.json')).toBeUndefined();
});

it('is gone to once when neither the release nor the one before it passes, and never left for them', async () => {
  const { node, ship, pinned } = await makePinned(['1.0.0', '1.1.0']);
  await ship('1.2.0');
  let broken: 'no' | 'others' | 'all' = 'no';
  node.web.fault = ({ target }) => {
    if (target.includes('/1.2.0-') && broken === 'no') broken = 'all';
    const fails = broken === 'all' || (broken === 'others' && !target.includes('/1.0.0-'));
    return fails ? { status: 500 } : undefined;
  };
  const since = node.journal().length;
  const first = await node.updater(['apply']);
  expect(first, first.stderr).toMatchObject({ code: 1 });
  expect(first.stdout).toContain(
    'degraded: 1.0.0 (the golden deployment, as the last resort) runs',
  );
  for (const command of ['once', 'verify', 'once']) await node.updater([command]);
  expect(switches(node, since)).toStrictEqual(['1.2.0', '1.1.0', '1.0.0']);
  expect(node.current()).toBe(pinned.deploymentId);
  expect(node.quarantined(), 'it was not the release').toStrictEqual([]);

  broken = 'others';
  expect((await node.updater(['verify'])).stdout).toContain('to 1.0.0 (the golden deployment');
  expect(node.stateName()).toBe('rolled-back');
  const again = await node.updater(['apply']);
  expect(again, again.stderr).toMatchObject({ code: 1 });
  expect(node.current()).toBe(pinned.deploymentId);
  expect(node.quarantined(), 'now it was').toStrictEqual(['1.2.0']);
});

it('ends a rollback by hand with 1: it is not what was asked for', async () => {
  const { node, pinned } = await makePinned(['1.0.0', '1.1.0', '1.2.0']);
  node.web.fault = ({ target }) => (target.includes('/1.1.0-') ? { status: 500 } : undefined);
  const back = await node.updater(['rollback', '--to', '1.1.0', '--reason', 'blank']);
  expect(node.current()).toBe(pinned.deploymentId);
  expect(back.stdout).toContain('rolled back from 1.2.0 to 1.0.0 (the golden deployment');
  expect(back.code, back.stderr).toBe(1);
});
