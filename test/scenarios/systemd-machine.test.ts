/** The machine that other tests stand on: real, closed, lasting over boots, and gone afterwards. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { makeMachine, type SystemdMachine } from '../harness/systemd-machine.ts';
import { prepareTree, TREE_TIMEOUT_MS } from '../harness/systemd-machine-tree.ts';

beforeAll(() => prepareTree('systemd'), TREE_TIMEOUT_MS);

describe('a machine', () => {
  it('runs systemd as PID 1 and the services of a Debian, and answers', async () => {
    const machine = await makeMachine();
    expect(await machine.read(['cat', '/proc/1/comm'])).toBe('systemd');
    expect(await machine.read(['systemctl', 'is-system-running'])).toBe('running');
    await machine.untilActive('nginx.service');
    expect(await machine.visit('http://127.0.0.1/')).toMatchObject({
      status: 200,
      body: expect.stringContaining('Welcome to nginx') as string,
    });
    expect(await machine.journal({ unit: 'nginx.service' })).toContain('Started nginx.service');
    const version = readFileSync(new URL('../../updater/package.json', import.meta.url), 'utf8');
    expect(await machine.read(['updater', '--version'])).toContain(
      (JSON.parse(version) as { version: string }).version,
    );
    await expect(machine.untilActive('missing.service', 100)).rejects.toThrow(
      "unit 'missing.service' was not active after 100 ms",
    );
  });

  it('sees nothing of the host, and can change nothing there', async () => {
    const machine = await makeMachine();
    expect(await machine.read(['cat', '/proc/1/cgroup'])).toMatch(/^0::\/init\.scope$/m);
    const processes = await machine.read(['ps', '-e', '-o', 'comm=']);
    expect(processes).toContain('systemd-journal');
    expect(processes).not.toContain('node');
    const devices = await machine.read(['cat', '/proc/net/dev']);
    expect(devices.match(/^ *\w+:/gm)?.map((name) => name.trim())).toEqual(['lo:']);
    for (const [argv, said] of [
      // To what it is: if this were allowed, it must not hurt.
      [['sh', '-c', 'date --set=@$(date +%s)'], 'Operation not permitted'],
      [['sh', '-c', 'echo 1 >/proc/sys/kernel/panic'], 'Read-only file system'],
      [['mkdir', '/sys/fs/x'], 'Read-only file system'],
      [['touch', '/usr/lib/landfall/updater/x'], 'Read-only file system'],
      [['ls', '/mnt/home'], 'No such file'],
    ] as const) {
      const { code, stderr } = await machine.run(argv);
      expect({ argv, code: code !== 0, stderr }).toMatchObject({
        code: true,
        stderr: expect.stringContaining(said) as string,
      });
    }
  });

  it('keeps its disk over a reboot, which stops units, and over a power cut, which does not', async () => {
    const machine = await makeMachine();
    writeFileSync(machine.path('/etc/systemd/system/witness.service'), WITNESS);
    await machine.read(['systemctl', 'enable', '--now', 'witness.service']);
    const boots = [await bootId(machine)];
    const first = machine.pid;
    expect(await machine.reboot()).toBe('running');
    boots.push(await bootId(machine));
    expect(machine.pid).not.toBe(first);
    expect(witnessed(machine)).toEqual(['start', 'stop', 'start']);

    const sleeping = machine.run(['sleep', 'infinity']);
    while ((await machine.run(['pgrep', '-x', 'sleep'])).code !== 0);
    await machine.powerCut();
    expect(await sleeping).toMatchObject({ signal: 'SIGKILL' });
    expect(witnessed(machine)).toEqual(['start', 'stop', 'start']);
    await expect(machine.run(['true'])).rejects.toThrow('the machine is off');
    expect(await machine.boot()).toBe('running');
    boots.push(await bootId(machine));
    expect(witnessed(machine)).toEqual(['start', 'stop', 'start', 'start']);
    expect(new Set(boots).size).toBe(3);
    expect(await machine.journal({ boot: -2, unit: 'witness' })).toContain('Stopped witness');
    expect(await machine.journal({ boot: -1, unit: 'witness' })).not.toContain('Stopp');
  });

  it('reboots by itself when a unit asks for it, and says when it is off', async () => {
    const machine = await makeMachine();
    const last = ['systemd-run', '--property=SuccessAction=reboot', 'true'];
    await machine.run(last);
    await machine.untilOff(60_000);
    expect(await machine.boot()).toBe('running');
    await machine.powerOff();
    await expect(machine.run(['true'])).rejects.toThrow('the machine is off');
  });

  it('is apart from others on the same tree, and leaves nothing when it is removed', async () => {
    const [one, two] = await Promise.all([makeMachine(), makeMachine()]);
    await one.read(['sh', '-c', 'echo one >/etc/only-one; systemctl stop nginx']);
    expect(readFileSync(one.path('/etc/only-one'), 'utf8')).toBe('one\n');
    expect(existsSync(two.path('/etc/only-one'))).toBe(false);
    expect(existsSync(`${await prepareTree('systemd')}/tree/etc/only-one`)).toBe(false);
    expect(await two.visit('http://127.0.0.1/')).toMatchObject({ status: 200 });
    expect(readFileSync(one.path('/etc/machine-id'), 'utf8')).not.toBe(
      readFileSync(two.path('/etc/machine-id'), 'utf8'),
    );

    const { pid } = one;
    const disk = one.path('/');
    const stubborn = one.run(['env', '--ignore-signal=TERM', 'sleep', 'infinity']);
    await one.remove();
    await stubborn;
    expect(existsSync(`/proc/${pid}`)).toBe(false);
    expect(existsSync(disk)).toBe(false);
    expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(await prepareTree('systemd'));
    expect(await two.read(['systemctl', 'is-system-running'])).toBe('running');
  });
});

const WITNESS = `[Unit]
Description=witness
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'echo start >>/var/tmp/witness'
ExecStop=/bin/sh -c 'echo stop >>/var/tmp/witness'
[Install]
WantedBy=multi-user.target
`;

function witnessed(machine: SystemdMachine): string[] {
  return readFileSync(machine.path('/var/tmp/witness'), 'utf8').trimEnd().split('\n');
}

async function bootId(machine: SystemdMachine): Promise<string> {
  return machine.read(['cat', '/proc/sys/kernel/random/boot_id']);
}
