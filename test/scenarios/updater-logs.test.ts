/** Logs of looks at a release that has no verdict for good: they neither pile up, nor cost those of the activation. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeWorld } from '../harness/world.ts';

it('however often a node is looked at, its logs are few, and tell how it came to that', async () => {
  const { node, ship } = await makeWorld({
    tables: [
      '[[quiesce]]',
      'name = "worker"',
      'manager = "command"',
      'stop = ["true"]',
      'start = ["true"]',
    ],
  });
  await ship('1.0.0');
  expect((await node.updater(['apply'])).code).toBe(0);
  await ship('1.1.0');
  let isBroken = false;
  node.web.fault = ({ target }) => {
    isBroken ||= target.includes('/1.1.0-');
    return isBroken ? { status: 500 } : undefined;
  };
  expect((await node.updater(['apply'])).code).toBe(1);
  expect(node.stateName()).toBe('degraded');
  const logs = join(node.state, 'logs');
  const activation = readdirSync(logs).toSorted().at(-1) ?? '';
  expect(existsSync(join(logs, activation, 'services.log'))).toBe(true);
  for (let look = 1; look <= 25; look += 1) await node.updater(['verify']);
  expect(readdirSync(logs).length).toBeLessThan(5);
  node.web.fault = () => undefined;
  await node.updater(['verify']);
  expect(node.stateName()).toBe('rolled-back');
  await ship('1.2.0');
  expect((await node.updater(['apply'])).code).toBe(0);
  expect(existsSync(join(logs, activation))).toBe(true);
  expect(readdirSync(logs).length).toBeLessThanOrEqual(20);
});
