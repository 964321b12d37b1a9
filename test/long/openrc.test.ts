/** A node whose services a real OpenRC runs as PID 1: updates, the updater's own scripts, boots. */
import { existsSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MachineNode } from '../harness/systemd-machine-node.ts';
import {
  beginStory,
  expectRuns,
  installUnits,
  untilState,
} from '../harness/systemd-machine-story.ts';
import { prepareTree, TREE_TIMEOUT_MS } from '../harness/systemd-machine-tree.ts';

beforeAll(() => prepareTree('openrc'), TREE_TIMEOUT_MS);

const SCRIPTS = ['/etc/init.d/updater', '/etc/init.d/updater-verify'];

describe('under OpenRC', () => {
  it('a release that starts is kept, one that does not is left', async () => {
    const { node, oldPid } = await beginStory({ init: 'openrc' });
    const release = await node.ship('1.1.0');
    const updated = await node.updater('apply');
    expect(updated, updated.stderr).toMatchObject({ code: 0 });
    const pid = await expectRuns(node, release);
    expect(pid).not.toBe(oldPid);
    expect((await node.machine.run(['test', '-e', `/proc/${oldPid}`])).code).toBe(1);

    await node.ship('1.2.0', { program: 'true' });
    const left = await node.updater('apply');
    expect(left, left.stderr).toMatchObject({ code: 1 });
    expect(await expectRuns(node, release)).not.toBe(pid);
    expect(node.read('state.json')).toMatchObject({ state: { name: 'rolled-back' } });
    expect(node.read('quarantine.json')).toBeDefined();
  });

  it('the daemon takes a release, ends when told, and a boot settles what a power cut left', async () => {
    const { node } = await beginStory({ init: 'openrc' });
    const { machine } = node;
    const next = await node.ship('1.1.0');
    await installUnits(node);
    await untilRelease(node, next.deploymentId);
    await expectRuns(node, next);
    const show = await machine.read(['rc-update', 'show', 'default']);
    expect(show).toMatch(/^ *updater \|/m);
    expect(show).toMatch(/^ *updater-verify \|/m);
    const again = JSON.parse((await node.updater('units', 'install', '--json')).stdout) as {
      files: { what: string }[];
    };
    expect(again.files.map((each) => each.what)).toEqual(['unchanged', 'unchanged']);
    await machine.read(['rc-service', 'updater', 'stop']);
    expect(readFileSync(machine.path('/var/log/updater.log'), 'utf8')).toContain(
      'stopped, as told',
    );
    expect((await machine.run(['pgrep', '-f', 'main.ts run'])).stdout).toBe('');

    // Without the daemon, so that it can only be the script for the boot that settles.
    await machine.read(['rc-update', 'delete', 'updater', 'default']);
    const release = await node.ship('1.2.0');
    const killed = await machine.run(['env', 'LANDFALL_CRASH_AT=did-switch', 'updater', 'apply']);
    expect(killed.signal ?? killed.code).toBe('SIGKILL');
    await machine.powerCut();
    expect(await machine.boot()).toBe('running');
    await expectRuns(node, release);
    expect(await machine.read(['rc-service', 'updater-verify', 'status'])).toContain('started');
    await untilState(node, 'committed');

    // What a clean reboot starts is the same, and the undo takes all of it away.
    await machine.reboot();
    await expectRuns(node, release);
    const removed = await node.updater('units', 'remove');
    expect(removed, removed.stderr).toMatchObject({ code: 0 });
    expect(SCRIPTS.filter((path) => existsSync(machine.path(path)))).toEqual([]);
    expect(await machine.read(['rc-update', 'show'])).not.toContain('updater');
  });
});

/** Waits until the deployment named `id` runs and has its verdict. */
async function untilRelease(node: MachineNode, id: string): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (node.current() !== id || node.hasMarker()) {
    if (performance.now() > deadline) throw new Error(`'${id}' did not come to run`);
    await sleep(200);
  }
}
