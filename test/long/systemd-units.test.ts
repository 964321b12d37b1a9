/** `updater units` under a real systemd: what it installs is hardened, starts what it should, and goes again. */
import { readdirSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { makeMachineNode, UNIT, type MachineNode } from '../harness/systemd-machine-node.ts';
import {
  beginStory,
  crashUntilGivenUp,
  expectRuns,
  installUnits,
  untilState,
} from '../harness/systemd-machine-story.ts';
import { prepareTree, TREE_TIMEOUT_MS } from '../harness/systemd-machine-tree.ts';

beforeAll(() => prepareTree('systemd'), TREE_TIMEOUT_MS);

/** What `systemd-analyze security` may say of a service of ours, at most. */
const MOST_EXPOSURE = 3;
const CALLED = 'updater-failed@archipelago.service';
const SERVICES = ['updater', 'updater-run', 'updater-verify', 'updater-failed@'];

describe('updater units', () => {
  it('installs hardened units, again without a change, the daemon in place of the timer, and removes them', async () => {
    const node = await makeMachineNode();
    const { machine } = node;
    const before = listUnits(node);
    const rehearsed = await node.updater('units', 'install', '--dry-run');
    expect(rehearsed).toMatchObject({ code: 0 });
    expect(rehearsed.stdout).toContain('ExecStart=/usr/local/bin/updater once');
    expect(listUnits(node)).toEqual(before);

    const installed = await node.updater('units', 'install');
    expect(installed, installed.stderr).toMatchObject({ code: 0 });
    expect(installed.stdout).toMatch(/^new +\/etc\/systemd\/system\/updater\.service$/m);
    expect(await isEnabled(node)).toEqual({ timer: 'enabled', run: 'disabled', verify: 'enabled' });
    expect(await machine.property('updater.timer', 'ActiveState')).toBe('active');
    expect(await machine.property(UNIT, 'OnFailure')).toBe('updater-failed@archipelago.service');
    for (const service of SERVICES) {
      const file = `/etc/systemd/system/${service}.service`;
      const checked = await machine.run(['systemd-analyze', 'verify', '--man=no', file]);
      expect(checked.stderr).not.toContain('updater');
      const exposure = await readExposure(node, file);
      expect
        .soft({ service, exposure: exposure <= MOST_EXPOSURE })
        .toEqual({ service, exposure: true });
    }

    const again = JSON.parse((await node.updater('units', 'install', '--json')).stdout);
    expect(again.files.map((each: { what: string }) => each.what)).not.toContain('changed');
    expect(await node.updater('units', 'install', '--as', 'run')).toMatchObject({ code: 0 });
    expect(await isEnabled(node)).toEqual({ timer: 'disabled', run: 'enabled', verify: 'enabled' });
    await machine.untilActive('updater-run.service');

    const removed = await node.updater('units', 'remove');
    expect(removed, removed.stderr).toMatchObject({ code: 0 });
    expect(listUnits(node)).toEqual(before);
    expect(await machine.run(['systemctl', 'is-active', 'updater-run'])).toMatchObject({
      stdout: 'inactive\n',
    });
    writeFileSync(machine.path('/etc/systemd/system/updater.service'), "[Unit]\n# an operator's\n");
    const refused = await node.updater('units', 'install');
    expect(refused).toMatchObject({ code: 3 });
    expect(refused.stderr).toContain("'/etc/systemd/system/updater.service' is there already");
  });

  it('a release by timer, a crash loop in its probation: left, and not taken again', async () => {
    const { node, old } = await beginStory({
      unit: ['StartLimitIntervalSec=300', 'StartLimitBurst=3'],
      service: ['Restart=always', 'RestartSec=20ms'],
    });
    const { machine } = node;
    await installUnits(node);
    node.configure({ top: ['probation = "1h"'] });
    machine.write('/etc/systemd/system/updater.timer.d/often.conf', OFTEN);
    await machine.read(['systemctl', 'daemon-reload']);
    const release = await node.ship('1.1.0');
    await machine.read(['systemctl', 'restart', 'updater.timer']);
    await untilState(node, 'probation');
    await machine.read(['systemctl', 'stop', 'updater.timer']);
    await machine.untilIs('updater.service', 'inactive');
    await expectRuns(node, release);

    await crashUntilGivenUp(node);
    await machine.untilIs(CALLED, 'inactive');
    expect(node.read('state.json')).toMatchObject({ state: { name: 'rolled-back' } });
    await expectRuns(node, old);
    const told = await machine.journal({ unit: CALLED });
    expect(told).toContain(`service '${UNIT}' was given up`);
    expect(told).toContain('rolled back from 1.1.0 to 1.0.0');
    expect((await node.updater('once')).stdout).toContain('quarantined');

    // What is at rest stays, whatever happens to its services later: it is written down.
    await crashUntilGivenUp(node);
    await machine.untilIs(CALLED, 'inactive');
    expect(node.current()).toBe(old.deploymentId);
    expect((await node.updater('history')).stdout).toMatch(/service gave up +1\.0\.0/);
  });

  it('a power cut between switch and verdict is settled at boot, before the boot is complete', async () => {
    const { node } = await beginStory();
    const { machine } = node;
    await installUnits(node);
    machine.write('/etc/systemd/system/witness.service', WITNESS);
    await machine.read(['systemctl', 'enable', 'witness.service']);
    const release = await node.ship('1.1.0');
    const killed = await machine.run(['env', 'LANDFALL_CRASH_AT=did-switch', 'updater', 'apply']);
    expect(killed.signal ?? killed.code).toBe('SIGKILL');
    await machine.powerCut();
    expect(node.hasMarker()).toBe(true);

    expect(await machine.boot()).toBe('running');
    await expectRuns(node, release);
    expect(node.read('state.json')).toMatchObject({ state: { name: 'committed' } });
    expect(await machine.journal({ unit: 'updater-verify' })).toContain('1.1.0 runs');
    // What declares the machine healthy came afterwards, and saw nothing pending.
    expect(await machine.read(['cat', '/var/tmp/witness'])).toBe('complete, nothing pending');
  });
});

/** Declares the machine healthy, as a boot loader's counter does. */
const WITNESS = `[Unit]
Requires=boot-complete.target
After=boot-complete.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'test ! -e /var/lib/landfall/pending-verification.json && echo complete, nothing pending >/var/tmp/witness'
[Install]
WantedBy=multi-user.target
`;

const OFTEN = `[Timer]
OnCalendar=
OnCalendar=*:*:0/2
RandomizedDelaySec=0
`;

function listUnits(node: MachineNode): string[] {
  return readdirSync(node.machine.path('/etc/systemd/system'), { recursive: true })
    .map(String)
    .filter((name) => name !== 'boot-complete.target.requires')
    .toSorted();
}

async function isEnabled(node: MachineNode): Promise<Record<string, string>> {
  const units = ['updater.timer', 'updater-run.service', 'updater-verify.service'];
  const { stdout } = await node.machine.run(['systemctl', 'is-enabled', ...units]);
  const [timer = '', run = '', verify = ''] = stdout.split('\n');
  return { timer, run, verify };
}

async function readExposure(node: MachineNode, file: string): Promise<number> {
  const { stdout, stderr } = await node.machine.run([
    ...['systemd-analyze', 'security', '--offline=true', '--no-pager', file],
  ]);
  const found = /Overall exposure level for .*: ([\d.]+)/.exec(stdout)?.[1];
  if (found === undefined) throw new Error(`no exposure of '${file}': ${stderr}`);
  return Number(found);
}
