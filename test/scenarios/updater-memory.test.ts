/** A node that has too little memory to apply a delta takes the release whole, and the next by delta again. */
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { launcherOf } from '../harness/command.ts';
import { exampleWebUi, type Files } from '../harness/release-factory.ts';
import { makeWorld } from '../harness/world.ts';

const LARGE = randomBytes(200_000);
const webUi = (version: string): Files => ({ ...exampleWebUi(version), large: LARGE });

it('a delta that would take more memory than there is is left for another time', async () => {
  const { folder, node, ship } = await makeWorld();
  const first = await ship('1.0.0', { webUi: webUi('1.0.0') });
  expect((await node.updater(['apply'])).code).toBe(0);
  const second = await ship('1.1.0', { webUi: webUi('1.1.0'), deltasFrom: [first] });

  // The updater on a machine that says so, in a mount namespace of its own.
  const meminfo = join(folder, 'meminfo');
  const real = readFileSync('/proc/meminfo', 'utf8');
  writeFileSync(meminfo, real.replace(/^MemAvailable:.*$/m, 'MemAvailable:   40960 kB'));
  const launcher = join(folder, 'poor-updater');
  const script = `mount --bind ${meminfo} /proc/meminfo && exec ${launcherOf('updater')} "$@"`;
  writeFileSync(launcher, `#!/bin/sh\nexec unshare -m sh -c '${script}' sh "$@"\n`, {
    mode: 0o755,
  });
  const whole = await node.updater(['apply'], { launcher });
  expect(whole.code, whole.stderr).toBe(0);
  const file = 'web-ui-1.1.0.from-1.0.0.delta';
  expect(whole.stderr).toMatch(
    `${file} is of no use now: not enough memory to apply it: expected 64`,
  );
  expect(whole.stderr).toMatch(/, found 40 MiB; taking the whole artifact$/m);
  expect(node.current()).toBe(second.deploymentId);
  expect(node.read('deltas.json')).toStrictEqual({ schema: 1, tried: [] });

  const third = await ship('1.2.0', { webUi: webUi('1.2.0'), deltasFrom: [second] });
  const small = await node.updater(['apply']);
  expect(small.code, small.stderr).toBe(0);
  expect(small.stderr).toContain('downloading web-ui-1.2.0.from-1.1.0.delta (');
  expect(small.stderr).not.toContain('of no use');
  expect(node.current()).toBe(third.deploymentId);
});
