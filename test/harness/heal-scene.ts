/** A node that runs a release, and everything that can be done to its files. */
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { digestTree } from '@landfall/archive';
import { expect } from 'vitest';
import type { NodeOptions, TestNode } from './node.ts';
import { makeWorld, type World } from './world.ts';

/** A node that runs 1.0.0. */
export async function runningNode(options: Partial<NodeOptions> = {}): Promise<World> {
  const world = await makeWorld(options);
  await world.ship('1.0.0');
  const installed = await world.node.updater(['apply']);
  expect(installed, installed.stderr).toMatchObject({ code: 0 });
  return world;
}

/** A path in the web UI that runs. */
export const ui = (node: TestNode, path = ''): string => join(node.root, 'current/web-ui', path);
export const digest = (node: TestNode): string => digestTree(ui(node)).digest;

/** Does everything to the running release that can be done to files. */
export function spoil(node: TestNode): void {
  chmodSync(join(node.root, 'current/'), 0o700);
  appendFileSync(ui(node, 'index.html'), '<script src="//evil.example"></script>');
  const page = readFileSync(ui(node, 'about/index.html'), 'utf8');
  writeFileSync(ui(node, 'about/index.html'), page.replace('about', 'ABOUT'));
  rmSync(ui(node, 'assets/app.css'));
  rmSync(ui(node, 'assets/icons'), { recursive: true });
  symlinkSync('/etc', ui(node, 'assets/icons'));
  chmodSync(ui(node, 'assets/app.js'), 0o600);
  writeFileSync(ui(node, 'uploaded.txt'), 'of an operator');
  mkdirSync(ui(node, 'cache'));
  writeFileSync(ui(node, 'cache/x'), 'x');
  writeFileSync(ui(node, '.index.html.tmp-123'), 'half');
  chmodSync(ui(node), 0o700);
}
