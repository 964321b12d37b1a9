/**
 * The updater on a node whose services a real systemd runs: a restarted unit
 * runs the new release's file, and one that does not is rolled back, whatever
 * systemd itself made of it.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { type MachineNode, UNIT } from '../harness/systemd-machine-node.ts';
import { beginStory, expectRuns } from '../harness/systemd-machine-story.ts';
import { prepareTree, TREE_TIMEOUT_MS } from '../harness/systemd-machine-tree.ts';

beforeAll(() => prepareTree('systemd'), TREE_TIMEOUT_MS);

async function isGone(node: MachineNode, pid: number): Promise<boolean> {
  return (await node.machine.run(['test', '-e', `/proc/${pid}`])).code !== 0;
}

describe('under systemd', () => {
  it('an update restarts the unit on the new file, and a reboot starts it there again', async () => {
    const { node, oldPid } = await beginStory();
    const release = await node.ship('1.1.0');
    const updated = await node.updater('apply');
    expect(updated, updated.stderr).toMatchObject({ code: 0 });
    const pid = await expectRuns(node, release);
    expect(pid).not.toBe(oldPid);
    expect(await isGone(node, oldPid)).toBe(true);
    expect(node.read('state.json')).toMatchObject({ state: { name: 'committed' } });

    expect(await node.machine.reboot()).toBe('running');
    await node.machine.untilActive(UNIT);
    await expectRuns(node, release);
    expect(await node.updater('verify')).toMatchObject({ code: 0 });
  });

  it('a backend that exits at once is rolled back, and the old one runs again', async () => {
    const { node, old, oldPid } = await beginStory();
    await node.ship('1.1.0', { program: 'true' });
    const updated = await node.updater('apply');
    expect(updated).toMatchObject({ code: 1 });
    expect(updated.stdout).toContain(`service '${UNIT}': no process was there`);
    expect(await expectRuns(node, old)).not.toBe(oldPid);
    expect(node.read('state.json')).toMatchObject({ state: { name: 'rolled-back' } });
    expect((await node.updater('once')).stdout).toContain('quarantined');
  });

  it('a backend that crashes until systemd gives it up is rolled back all the same', async () => {
    const { node, old } = await beginStory({
      unit: ['StartLimitIntervalSec=300', 'StartLimitBurst=4'],
      service: ['Restart=always', 'RestartSec=50ms'],
    });
    await node.ship('1.1.0', { program: 'false' });
    expect(await node.updater('apply')).toMatchObject({ code: 1 });
    expect(await node.machine.journal({ unit: UNIT })).toContain(
      'Start request repeated too quickly',
    );
    await expectRuns(node, old);
    expect(node.read('state.json')).toMatchObject({ state: { name: 'rolled-back' } });
  });

  it('an old process that ignores SIGTERM is killed, and the new one runs', async () => {
    const { node, oldPid } = await beginStory({
      execPrefix: '/usr/bin/env --ignore-signal=TERM',
      service: ['TimeoutStopSec=1s'],
    });
    const release = await node.ship('1.1.0');
    const updated = await node.updater('apply');
    expect(updated, updated.stderr).toMatchObject({ code: 0 });
    expect(await expectRuns(node, release)).not.toBe(oldPid);
    expect(await isGone(node, oldPid)).toBe(true);
    expect(await node.machine.journal({ unit: UNIT })).toContain("State 'stop-sigterm' timed out");
  });

  it('a unit that does not exist is named before anything is touched', async () => {
    const { node, old } = await beginStory();
    node.configure({ tables: ['[[services]]', 'name = "missing"', 'manager = "systemd"'] });
    await node.ship('1.1.0');
    const updated = await node.updater('apply');
    expect(updated).toMatchObject({ code: 2 });
    expect(updated.stderr).toContain("systemd knows no service 'missing' on this machine");
    // The configuration is to blame, not the release: it is taken once that is mended.
    expect(node.read('quarantine.json')).toBeUndefined();
    await expectRuns(node, old);
  });

  it('a power cut between switch and verdict is settled by verify after the next boot', async () => {
    const { node, old } = await beginStory();
    const release = await node.ship('1.1.0');
    const killed = await node.machine.run([
      ...['env', 'LANDFALL_CRASH_AT=did-switch', 'updater', 'apply'],
    ]);
    expect(killed.signal ?? killed.code).toBe('SIGKILL');
    await node.machine.powerCut();
    expect(node.current()).toBe(release.deploymentId);
    expect(node.read('pending-verification.json')).toMatchObject({
      from: { id: old.deploymentId },
      to: { id: release.deploymentId },
    });
    expect(await node.machine.boot()).toBe('running');
    const verified = await node.updater('verify');
    expect(verified, verified.stderr).toMatchObject({ code: 0 });
    await expectRuns(node, release);
    expect(node.read('state.json')).toMatchObject({ state: { name: 'committed' } });
  });
});
