/** Under a real systemd: an updater that took over and does not start gives way to the one before it. */
import { chmodSync, lstatSync, readlinkSync, symlinkSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { beginStory, installUnits } from '../harness/systemd-machine-story.ts';
import { prepareTree, TREE_TIMEOUT_MS } from '../harness/systemd-machine-tree.ts';

beforeAll(() => prepareTree('systemd'), TREE_TIMEOUT_MS);

it('puts the updater back that was there before, and goes on with it', async () => {
  const { node } = await beginStory();
  const { machine } = node;
  const root = '/opt/archipelago';
  const link = machine.path(`${root}/updater`);
  const previous = machine.path(`${root}/updater.previous`);
  node.configure({ tables: ['[updater]', 'component = "updater"'] });
  symlinkSync('/usr/local/bin/updater', previous);
  machine.write(`${root}/broken`, '#!/bin/sh\nexit 127\n');
  chmodSync(machine.path(`${root}/broken`), 0o755);
  symlinkSync('broken', link);
  await installUnits(node);
  const config = '/etc/landfall/updater.toml';
  const start = `[Service]\nExecStart=\nExecStart=${root}/updater once --config ${config}\n`;
  machine.write('/etc/systemd/system/updater.service.d/linked.conf', start);
  await machine.read(['systemctl', 'daemon-reload']);

  expect((await machine.run(['systemctl', 'start', 'updater.service'])).code).not.toBe(0);
  expect(readlinkSync(link)).toBe('/usr/local/bin/updater');
  expect(lstatSync(previous, { throwIfNoEntry: false })).toBeUndefined();
  const again = await machine.run(['systemctl', 'start', 'updater.service']);
  expect(again.code, await machine.journal({ unit: 'updater*' })).toBe(0);
  // A failure of one that did its work once changes nothing.
  machine.write(config, 'nonsense');
  expect((await machine.run(['systemctl', 'start', 'updater.service'])).code).not.toBe(0);
  expect(readlinkSync(link)).toBe('/usr/local/bin/updater');
});
