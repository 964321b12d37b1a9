/** A node with `sandbox = true`: what it installs, what it refuses, and what it says when that cannot work. */
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { rootMode } from '../packages/archive/hostile-entries.ts';
import { exampleWebUi } from '../harness/release-factory.ts';
import { makeWorld } from '../harness/world.ts';
import { zstdFrame } from '../harness/zstd-builder.ts';

it('a node that unpacks in a process without rights installs, refuses and proves itself as any other', async () => {
  const { node, ship } = await makeWorld({ top: ['probation = "0s"', 'sandbox = true'] });
  const files = { tool: '/bin/true' };
  const large = randomBytes(100_000);
  const first = await ship('1.0.0', { files, webUi: { ...exampleWebUi('1.0.0'), large } });
  const installed = await node.updater(['apply']);
  expect(installed.code, installed.stderr).toBe(0);
  expect(node.page()).toContain('version 1.0.0');

  const webUi = { ...exampleWebUi('1.0.1'), large };
  await ship('1.0.1', { files, webUi, deltasFrom: [first] });
  const changed = await node.updater(['apply']);
  expect(changed.code, changed.stderr).toBe(0);
  expect(changed.stderr).toContain('downloading web-ui-1.0.1.from-1.0.0.delta (');
  expect(changed.stderr).not.toContain('of no use');
  expect(node.page()).toContain('version 1.0.1');

  await ship('1.1.0', { archive: zstdFrame(rootMode('./')) });
  const refused = await node.updater(['apply']);
  expect(refused.code).toBe(3);
  expect(refused.stdout + refused.stderr).toContain("root directory './' is drwx------ (0700)");
  expect(node.quarantined()).toEqual(['1.1.0']);
  const kept = [first.deploymentId, node.current()];
  expect(readdirSync(join(node.root, 'deployments')).toSorted()).toEqual(kept);

  const proof = await node.updater(['self-check']);
  expect(proof.code, proof.stderr).toBe(0);
});
