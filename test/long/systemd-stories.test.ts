/**
 * What happens to a node between a switch and its verdict, under a real
 * systemd with real nginx: it ends on one release, serving, without help.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { type MachineNode, UNIT } from '../harness/systemd-machine-node.ts';
import {
  beginStory,
  crashUntilGivenUp,
  expectRuns,
  installUnits,
  untilState,
} from '../harness/systemd-machine-story.ts';
import { prepareTree, TREE_TIMEOUT_MS } from '../harness/systemd-machine-tree.ts';

beforeAll(() => prepareTree('systemd'), TREE_TIMEOUT_MS);

/** A verdict that takes long enough to do something in between. */
const SLOW_PROBE = { probe: ['passes = 40'] };

describe('under systemd, between a switch and its verdict', () => {
  it('three starts without a verdict: the next boot goes back without probing', async () => {
    const { node, old } = await beginStory();
    const { machine } = node;
    await installUnits(node);
    // Whoever verifies dies in it: this boot's update, and updater-verify of the next two.
    const crash = 'LANDFALL_CRASH_AT=did-write-marker-restarted';
    machine.write('/etc/default/updater', `${crash}\n`);
    const release = await node.ship('1.1.0');
    await machine.run(['env', crash, 'updater', 'apply']);
    for (const attempt of [1, 2, 3]) {
      expect(node.read('pending-verification.json')).toMatchObject({ phase: 'restarted', attempt });
      await machine.powerCut();
      expect(await machine.boot()).toBe(attempt < 3 ? 'degraded' : 'running');
    }
    await expectRuns(node, old);
    const reason = 'no verdict after 3 attempts';
    expect(node.read('state.json')).toMatchObject({ state: { name: 'rolled-back', reason } });
    const probed = await machine.run([
      'grep',
      '-rc',
      release.deploymentId,
      '/var/lib/landfall/logs',
    ]);
    expect(probed.stdout).not.toMatch(/probe\.log:[1-9]/);
  });

  it('a shutdown in the middle: the updater ends first, judges nothing, and the boot goes on', async () => {
    const { node } = await beginStory();
    const { machine } = node;
    node.configure(SLOW_PROBE);
    await installUnits(node);
    const release = await node.ship('1.1.0');
    await machine.read(['systemctl', 'start', '--no-block', 'updater.service']);
    await untilPhase(node, 'restarted');
    await machine.powerOff();
    expect(node.read('pending-verification.json')).toMatchObject({
      phase: 'restarted',
      attempt: 1,
    });
    expect(node.read('quarantine.json')).toBeUndefined();

    expect(await machine.boot()).toBe('running');
    await expectRuns(node, release);
    expect(node.read('state.json')).toMatchObject({ state: { name: 'committed' } });
    const before = await machine.journal({ boot: -1 });
    expect(before).toContain('stopped before it was done');
    expect(before.indexOf('Stopped updater.service')).toBeLessThan(
      before.lastIndexOf(`Stopping ${UNIT}`),
    );
  });

  it('a shutdown that cuts a restart off is not taken for a release that does not start', async () => {
    const { node } = await beginStory();
    const { machine } = node;
    await installUnits(node);
    machine.write(`/etc/systemd/system/${UNIT}.d/slow.conf`, '[Service]\nExecStartPre=sleep 2\n');
    await machine.read(['systemctl', 'daemon-reload']);
    const release = await node.ship('1.1.0');
    await machine.read(['systemctl', 'start', '--no-block', 'updater.service']);
    await untilPhase(node, 'switched');
    while ((await machine.property(UNIT, 'SubState')) !== 'start-pre');
    await machine.powerOff();
    expect(node.read('pending-verification.json')).toMatchObject({ phase: 'switched' });
    expect(node.read('quarantine.json')).toBeUndefined();
    expect(await machine.boot()).toBe('running');
    await expectRuns(node, release);
  });

  it('a daemon stopped with SIGSTOP in the middle is killed by its watchdog, and its next start settles', async () => {
    const { node } = await beginStory();
    const { machine } = node;
    node.configure({ ...SLOW_PROBE, tables: ['[units]', 'service = ["WatchdogSec=8s"]'] });
    const release = await node.ship('1.1.0');
    await installUnits(node, '--as', 'run');
    await untilPhase(node, 'restarted');
    await machine.read(['systemctl', 'kill', '--kill-whom=all', '--signal=STOP', 'updater-run']);
    await untilState(node, 'committed', 120_000);
    await expectRuns(node, release);
    const told = await machine.journal({ unit: 'updater-run' });
    expect(told).toContain('Watchdog timeout');
    expect(told).toContain('an earlier run stopped at 1.1.0');
    expect(await machine.property('updater-run', 'NRestarts')).toBe('1');
    expect(await machine.property('updater-run', 'StatusText')).toContain('waiting');
    const pid = await machine.mainPid('updater-run');

    // One that gets on is left alone, and ends when told to.
    await sleep(10_000);
    expect(await machine.mainPid('updater-run')).toBe(pid);
    await machine.read(['systemctl', 'stop', 'updater-run']);
    expect(await machine.journal({ unit: 'updater-run' })).toContain('stopped, as told');
    expect(await machine.property('updater-run', 'Result')).toBe('success');
  });

  it('an old process that does not end keeps serving: gone back to, nobody else is blamed', async () => {
    const { node, old, oldPid } = await beginStory({
      execPrefix: '/usr/bin/env --ignore-signal=TERM',
      service: ['TimeoutStopSec=infinity'],
    });
    const { machine } = node;
    const release = await node.ship('1.1.0');
    const updated = await node.updater('apply');
    expect(updated).toMatchObject({ code: 1 });
    expect(updated.stdout).toContain(`the old process ${oldPid} had not ended after 3.0 s`);
    expect(node.read('state.json')).toMatchObject({ state: { name: 'rolled-back' } });
    expect(node.read('quarantine.json')).toBeUndefined();
    expect(await expectRuns(node, old)).toBe(oldPid);

    // As long as it hangs there, nothing is switched again.
    const again = await node.updater('apply');
    expect(again).toMatchObject({ code: 1 });
    expect(again.stderr).toContain(`service '${UNIT}' was told to stop and has not ended`);
    expect(await expectRuns(node, old)).toBe(oldPid);

    await machine.read(['systemctl', 'kill', '--signal=KILL', UNIT]);
    await machine.untilActive(UNIT);
    machine.write(`/etc/systemd/system/${UNIT}.d/patient.conf`, '[Service]\nTimeoutStopSec=1s\n');
    await machine.read(['systemctl', 'daemon-reload']);
    const mended = await node.updater('apply');
    expect(mended, mended.stderr).toMatchObject({ code: 0 });
    await expectRuns(node, release);
  });

  it('a service given up while an updater is at work is left to that one', async () => {
    const { node, old } = await beginStory();
    const { machine } = node;
    node.configure(SLOW_PROBE);
    await installUnits(node);
    await node.ship('1.1.0');
    await machine.read(['systemctl', 'start', '--no-block', 'updater.service']);
    await untilPhase(node, 'restarted');
    await crashUntilGivenUp(node);
    await untilState(node, 'rolled-back');
    await expectRuns(node, old);
    await machine.untilIs('updater-failed@archipelago.service', 'inactive');
    const told = await machine.journal({ unit: 'updater-failed@archipelago.service' });
    expect(told).toContain('waiting: ');
    expect(told).toContain('is not given up any more');
  });
});

/** Waits until the marker says `phase`. */
async function untilPhase(node: MachineNode, phase: string): Promise<void> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const marker = node.read('pending-verification.json') as { phase?: string } | undefined;
    if (marker?.phase === phase) return;
    if (performance.now() > deadline) {
      throw new Error(`no phase '${phase}'\n${await node.machine.journal({ unit: 'updater*' })}`);
    }
    await sleep(50);
  }
}
