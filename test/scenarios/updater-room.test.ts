/** A node whose disk has room for a delta and not for the artifact: it is asked for no more than it needs, and is not filled. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { releaseTag } from '@landfall/manifest';
import { expect, it, onTestFinished } from 'vitest';
import { exampleWebUi, type Files } from '../harness/release-factory.ts';
import { makeWorld } from '../harness/world.ts';

const LARGE = createHash('shake256', { outputLength: 10_000_000 }).update('large').digest();
const webUi = (version: string): Files => ({
  ...exampleWebUi(version),
  large: Buffer.concat([Buffer.from(version), LARGE]),
});

it('a release that fits by delta alone is installed by delta alone', async () => {
  const { mirror, node, ship } = await makeWorld({
    place: (folder) => {
      const disk = join(folder, 'disk');
      mkdirSync(disk);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=40m', 'landfall-test', disk]);
      onTestFinished(() => void execFileSync('umount', [disk]));
      return disk;
    },
  });
  const first = await ship('1.0.0', { webUi: webUi('1.0.0') });
  expect((await node.updater(['apply'])).code).toBe(0);
  const second = await ship('1.1.0', { webUi: webUi('1.1.0'), deltasFrom: [first] });
  const delta = join(
    mirror,
    'releases/download',
    releaseTag('1.1.0'),
    'web-ui-1.1.0.from-1.0.0.delta',
  );
  const bytes = readFileSync(delta);

  writeFileSync(delta, Buffer.alloc(bytes.length));
  const declined = await node.updater(['apply']);
  expect(declined.code, declined.stderr).toBe(1);
  expect(declined.stderr).toMatch(/\.delta is of no use now: .*; taking the whole artifact/);
  expect(declined.stderr).toMatch(/not enough space at '.*': expected \d+ MiB free, found \d+/);
  expect(declined.stderr).not.toContain('downloading web-ui-1.1.0.tar.zst');
  expect(node.current()).toBe(first.deploymentId);
  expect(readdirSync(join(node.root, 'deployments'))).toEqual([first.deploymentId]);
  expect(readdirSync(join(node.state, 'downloads'))).toEqual([]);
  expect(node.quarantined()).toEqual([]);

  writeFileSync(delta, bytes);
  const applied = await node.updater(['apply']);
  expect(applied.code, applied.stderr).toBe(0);
  expect(node.current()).toBe(second.deploymentId);
});
