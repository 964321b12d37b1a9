/** A crash loop that systemd bears for ever, under a real systemd: its own count tells, also over a boot. */
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, it } from 'vitest';
import { type MachineNode, UNIT } from '../harness/systemd-machine-node.ts';
import { beginStory, expectRuns } from '../harness/systemd-machine-story.ts';
import { prepareTree, TREE_TIMEOUT_MS } from '../harness/systemd-machine-tree.ts';

beforeAll(() => prepareTree('systemd'), TREE_TIMEOUT_MS);

it('a service that systemd starts again and again in probation leaves the release', async () => {
  const { node, old } = await beginStory({
    unit: ['StartLimitIntervalSec=0'],
    service: ['Restart=always', 'RestartSec=20ms'],
  });
  const { machine } = node;
  node.configure({ top: ['probation = "1h"'] });
  const release = await node.ship('1.1.0');
  expect((await node.updater('apply')).code).toBe(0);
  const restarts = (): unknown => node.read('watch.json');

  await crash(node, 2);
  expect((await node.updater('verify')).code, 'so many are borne').toBe(0);
  expect(restarts()).toMatchObject({ services: [{ name: UNIT, restarts: 2 }, {}] });
  // systemd begins to count anew with a start by hand, and with the machine; we do not.
  await machine.read(['systemctl', 'restart', UNIT]);
  expect(await machine.property(UNIT, 'NRestarts')).toBe('0');
  await crash(node, 1);
  expect((await node.updater('verify')).code).toBe(0);
  expect(restarts()).toMatchObject({ services: [{ restarts: 3 }, {}] });
  expect(await machine.reboot()).toBe('running');
  expect((await node.updater('verify')).code).toBe(0);
  await expectRuns(node, release);

  await crash(node, 1);
  const left = await node.updater('verify');
  expect(left, left.stderr).toMatchObject({ code: 1 });
  expect(left.stdout).toContain(
    `rolled back from 1.1.0 to 1.0.0: service '${UNIT}' started again by itself 4 times in probation`,
  );
  await expectRuns(node, old);
});

/** Lets the backend crash `times`, and be started again each time. */
async function crash({ machine }: MachineNode, times: number): Promise<void> {
  for (let n = 1; n <= times; n += 1) {
    const before = await machine.mainPid(UNIT);
    await machine.run(['systemctl', 'kill', '--kill-whom=main', '--signal=SEGV', UNIT]);
    let after = 0;
    while (after === 0 || after === before) {
      await sleep(50);
      after = await machine.mainPid(UNIT);
    }
  }
}
