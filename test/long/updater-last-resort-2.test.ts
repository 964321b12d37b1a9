/** What is no reason to go to the last resort: files that are foreign, and what an operator changes himself. */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { TestNode } from '../harness/node.ts';
import { makeWorld, type World } from '../harness/world.ts';

/** A node that runs 1.1.0, without one before it to go back to but 1.0.0, which is pinned. */
async function makePinned(heal: string): Promise<World> {
  const world = await makeWorld({ tables: ['[heal]', heal] });
  const { node, ship } = world;
  await ship('1.0.0');
  expect((await node.updater(['apply'])).code).toBe(0);
  expect((await node.updater(['golden', '1.0.0'])).code).toBe(0);
  await ship('1.1.0');
  expect((await node.updater(['apply'])).code).toBe(0);
  return world;
}

/** Installs a release that does not work. */
async function fail({ node, ship }: World, version: string): Promise<void> {
  await ship(version);
  node.web.fault = ({ target }) => (target.includes(`/${version}-`) ? { status: 500 } : undefined);
  const left = await node.updater(['apply']);
  expect(left, left.stderr).toMatchObject({ code: 1 });
}

const ui = (node: TestNode, name: string): string => join(node.root, 'current/web-ui', name);

it('a foreign file in what is gone back to, which passes', async () => {
  const world = await makePinned('extra = "report"');
  const { node } = world;
  const running = node.current();
  writeFileSync(ui(node, 'upload.txt'), 'of an operator');
  await fail(world, '1.2.0');
  expect(node.current()).toBe(running);
  expect(node.stateName()).toBe('rolled-back');
  const once = await node.updater(['verify']);
  expect(once, once.stdout).toMatchObject({ code: 0 });
  expect(node.current()).toBe(running);
  expect(readFileSync(ui(node, 'upload.txt'), 'utf8')).toBe('of an operator');
  expect(await node.updater(['golden', '1.1.0'])).toMatchObject({ code: 0 });
  expect(await node.updater(['golden'])).toMatchObject({ code: 0 });
});

it('a change by hand where nobody looks after the files', async () => {
  const world = await makePinned('enabled = false');
  const { node } = world;
  const running = node.current();
  await fail(world, '1.2.0');
  appendFileSync(ui(node, 'about/index.html'), '<!-- in a hurry -->');
  await node.updater(['verify']);
  expect(node.current()).toBe(running);
  expect(readFileSync(ui(node, 'about/index.html'), 'utf8')).toContain('in a hurry');
});
