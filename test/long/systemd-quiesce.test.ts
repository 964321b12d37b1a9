/** Workers around a switch under a real systemd: what ran runs again, what did not does not. */
import { beforeAll, expect, it } from 'vitest';
import { makeMachineNode } from '../harness/systemd-machine-node.ts';
import { prepareTree, TREE_TIMEOUT_MS } from '../harness/systemd-machine-tree.ts';

beforeAll(() => prepareTree('systemd'), TREE_TIMEOUT_MS);

const worker = (more = ''): string =>
  `[Service]\nExecStart=/bin/sh -c '${more}exec sleep infinity'\n[Install]\nWantedBy=multi-user.target\n`;

it('stops a worker for a switch, leaves an idle one alone, and gives up on one that does not stop', async () => {
  const node = await makeMachineNode();
  const { machine } = node;
  for (const name of ['worker', 'idle']) {
    machine.write(`/etc/systemd/system/${name}.service`, worker());
  }
  await machine.read(['systemctl', 'daemon-reload']);
  await machine.read(['systemctl', 'start', 'worker']);
  const table = (name: string): string[] => [
    '[[quiesce]]',
    `name = "${name}.service"`,
    'manager = "systemd"',
    'timeout = "3s"',
  ];
  node.configure({ tables: [...table('worker'), ...table('idle')] });
  const first = await node.ship('1.0.0');
  const installed = await node.updater('apply');
  expect(installed, installed.stderr).toMatchObject({ code: 0 });
  const pid = await machine.mainPid('worker.service');
  expect(pid).toBeGreaterThan(0);

  const second = await node.ship('1.1.0');
  const killed = ['env', 'LANDFALL_CRASH_AT=did-quiesce', 'updater', 'apply'];
  await machine.run(killed);
  expect(node.read('quiesced.json')).toMatchObject({ names: ['worker.service'] });
  expect(await machine.mainPid('worker.service')).toBe(0);
  await machine.powerCut();
  await machine.boot();
  expect(await machine.mainPid('worker.service'), 'it is not enabled').toBe(0);
  expect(await node.updater('verify')).toMatchObject({ code: 0 });
  expect(await machine.mainPid('worker.service')).toBeGreaterThan(0);
  expect(await machine.mainPid('idle.service'), 'nobody wanted it to run').toBe(0);
  expect([node.current(), node.read('quiesced.json')]).toStrictEqual([
    first.deploymentId,
    undefined,
  ]);

  expect(await node.updater('apply')).toMatchObject({ code: 0 });
  expect(node.current()).toBe(second.deploymentId);
  expect(await machine.mainPid('worker.service')).toBeGreaterThan(0);

  machine.write('/etc/systemd/system/worker.service', worker('trap "" TERM; '));
  machine.write(
    '/etc/systemd/system/worker.service.d/slow.conf',
    '[Service]\nTimeoutStopSec=infinity\nSendSIGKILL=no\n',
  );
  await machine.read(['systemctl', 'daemon-reload']);
  await machine.read(['systemctl', 'restart', 'worker']);
  await node.ship('1.2.0');
  const refused = await node.updater('apply');
  expect(refused).toMatchObject({ code: 1 });
  expect(refused.stderr).toContain("service 'worker.service' did not stop");
  expect([node.current(), node.hasMarker()]).toStrictEqual([second.deploymentId, false]);
  expect(node.read('quarantine.json')).toBeUndefined();
  await machine.run(['systemctl', 'kill', '--signal=KILL', 'worker']);
});
