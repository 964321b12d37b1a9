/** Files that are not of a release, in its folders: a service wrote them, or a hand. They do it no harm. */
import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { TestNode } from '../harness/node.ts';
import { makeWorld, type World } from '../harness/world.ts';

/** A node that runs 1.1.0 after 1.0.0; a file was written into what ran before, just before the switch. */
async function makeSite(): Promise<World & { before: string; running: string }> {
  const world = await makeWorld();
  const { node, ship } = world;
  await ship('1.0.0');
  expect((await node.updater(['apply'])).code).toBe(0);
  const before = node.current() ?? '';
  await ship('1.1.0');
  expect((await node.updater(['apply'])).code).toBe(0);
  writeForeign(node, before);
  return { ...world, before, running: node.current() ?? '' };
}

function writeForeign(node: TestNode, id: string): void {
  writeFileSync(join(node.root, 'deployments', id, 'web-ui/cache.bin'), 'warm');
}

describe('a release with a foreign file', () => {
  it('is gone back to by hand', async () => {
    const { node, before } = await makeSite();
    const back = await node.updater(['rollback', '--reason', 'test']);
    expect(back, back.stdout).toMatchObject({ code: 0 });
    expect(node.current()).toBe(before);
  });

  it('serves when what runs is gone, and no mirror is asked', async () => {
    const { node, before, running } = await makeSite();
    rmSync(join(node.root, 'deployments', running), { recursive: true });
    await node.updater(['verify']);
    expect(node.current()).toBe(before);
  });

  it('is there until it stands anew beside itself: a mirror may fail in between', async () => {
    const { node, ship, mirror, before, running } = await makeSite();
    // As after a withdrawal: what ran before is offered anew.
    expect((await ship('1.0.0')).deploymentId).toBe(before);
    const artifact = join(mirror, 'releases/download/v1.0.0/web-ui-1.0.0.tar.zst');
    writeFileSync(artifact, Buffer.alloc(statSync(artifact).size));
    const applied = await node.updater(['apply', '1.0.0']);
    expect(applied, applied.stdout).toMatchObject({ code: 1 });
    expect(node.current()).toBe(running);
    const back = await node.updater(['rollback', '--reason', 'test']);
    expect(back, back.stdout).toMatchObject({ code: 0 });
    expect(node.current()).toBe(before);
  });

  it('is staged anew by the next run, where one was killed between the old and the new', async () => {
    const { node, ship, before, running } = await makeSite();
    await ship('1.0.0');
    const env = { LANDFALL_CRASH_AT: 'stage-moved-aside' };
    const killed = await node.updater(['apply', '1.0.0'], { env });
    expect(killed.signal).toBe('SIGKILL');
    expect(readdirSync(join(node.root, 'deployments'))).not.toContain(before);
    expect([node.current(), node.page()]).toEqual([running, expect.stringContaining('1.1.0')]);
    const applied = await node.updater(['apply', '1.0.0']);
    expect(applied, applied.stdout).toMatchObject({ code: 0 });
    expect(node.current()).toBe(before);
    expect(readdirSync(join(node.root, 'deployments')).toSorted()).toEqual([before, running]);
  });

  it('gets its verdict after a crash', async () => {
    const { node, ship } = await makeSite();
    const { deploymentId } = await ship('1.2.0');
    const env = { LANDFALL_CRASH_AT: 'did-write-marker-restarted' };
    expect((await node.updater(['apply'], { env })).signal).toBe('SIGKILL');
    writeForeign(node, deploymentId);
    const verified = await node.updater(['verify']);
    expect(verified, verified.stdout).toMatchObject({ code: 0 });
    expect(node.current()).toBe(deploymentId);
    expect(node.stateName()).toBe('committed');
  });
});
