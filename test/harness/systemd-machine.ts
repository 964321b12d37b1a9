/**
 * A small Debian machine with a real systemd (or, where told, OpenRC) as PID 1: the cached tree of
 * scripts/test-machine.sh below an overlay of its own, in namespaces and a
 * cgroup of its own, on the host's kernel. Nothing leaves it: its network is
 * its loopback, its disk is memory, its clock cannot be set. The checkout's
 * code and Node are mounted read-only, so `updater` works inside.
 *
 * When the test ends, or the test runner is killed, processes, mounts and
 * cgroup are gone. Root is needed.
 */
import { mkdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { Outcome } from './command.ts';
import { type Init, prepareTree } from './systemd-machine-tree.ts';
import {
  type Background,
  runProgram,
  type RunOptions,
  startProgram,
} from './systemd-machine-process.ts';

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url));
const HOLD = fileURLToPath(new URL('systemd-machine-hold.sh', import.meta.url));
const BOOT = fileURLToPath(new URL('systemd-machine-boot.sh', import.meta.url));
const BOOT_TIMEOUT_MS = 60_000;
/** systemd gives units 90 s to stop before it kills them. */
const STOP_TIMEOUT_MS = 120_000;
const POLL_MS = 50;
/** Capabilities over what is the host's as well: its clock, modules, audit and kernel log. */
const WITHHELD = '-sys_time,-sys_module,-audit_control,-audit_read,-syslog';
const ENVIRONMENT = [
  'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  'HOME=/root',
  'LANG=C.UTF-8',
  'TZ=UTC',
  'NO_COLOR=1',
];

/** What `systemctl is-system-running` says of a machine that has started. */
export type SystemState = 'running' | 'degraded' | 'maintenance';

/** A machine that has booted; it is removed when the running test ends. */
export async function makeMachine(init: Init = 'systemd'): Promise<SystemdMachine> {
  if (process.getuid?.() !== 0) throw new Error(`a machine with ${init} needs root`);
  const home = await prepareTree(init);
  const holder = await startProgram(['unshare', '--mount', 'sh', HOLD, home]);
  const machine = new SystemdMachine(home, holder, init);
  onTestFinished(() => machine.remove());
  await machine.boot();
  return machine;
}

export class SystemdMachine {
  readonly #home: string;
  readonly #holder: Background;
  readonly #kind: Init;
  #init: { program: Background; pid: number } | undefined;

  constructor(home: string, holder: Background, init: Init) {
    this.#home = home;
    this.#holder = holder;
    this.#kind = init;
  }

  /**
   * Where the host sees `inside` (absolute) on the machine's disk, also while
   * it is off. What the machine mounts (/proc, /run, /dev) is not there, and an
   * absolute symlink on the way would lead to the host's files.
   */
  path(inside: string): string {
    return `/proc/${this.#holder.child.pid}/root${this.#home}/mount/root${inside}`;
  }

  /** Writes a file on the machine's disk, with the folders above it. */
  write(inside: string, text: string): void {
    mkdirSync(this.path(dirname(inside)), { recursive: true, mode: 0o755 });
    writeFileSync(this.path(inside), text, { mode: 0o644 });
  }

  /** The host's pid of systemd. Throws while the machine is off. */
  get pid(): number {
    if (this.#init === undefined) throw new Error('the machine is off');
    return this.#init.pid;
  }

  /**
   * Switches on, and waits until systemd has started everything or given up on
   * it. Throws with what it said when it does not get that far.
   */
  async boot(): Promise<SystemState> {
    if (this.#init !== undefined) throw new Error('the machine is on');
    const cgroup = this.#holder.firstLine.replace('ready ', '');
    const program = await startProgram([
      ...['nsenter', `--mount=/proc/${this.#holder.child.pid}/ns/mnt`, '--'],
      ...['unshare', '--mount', '--pid', '--uts', '--ipc', '--net', '--fork', '--kill-child'],
      ...['sh', BOOT, this.#home, cgroup, CHECKOUT, WITHHELD],
    ]);
    this.#init = { program, pid: Number(program.firstLine.replace('pid ', '')) };
    void this.#noticeEnd(program);
    return this.#untilStarted(program);
  }

  /** Runs `argv` inside, as root, outside of any unit. */
  async run(argv: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    const enter = ['--mount', '--pid', '--uts', '--ipc', '--net', '--cgroup', '--'];
    return runProgram(
      [
        ...['nsenter', '--target', String(this.pid), ...enter],
        ...['setpriv', `--bounding-set=${WITHHELD}`, 'env', '-i', ...ENVIRONMENT, ...argv],
      ],
      options,
    );
  }

  /** Runs `argv` inside and returns what it printed, trimmed. Throws unless it ended with 0. */
  async read(argv: readonly string[], options: RunOptions = {}): Promise<string> {
    const { code, signal, stdout, stderr } = await this.run(argv, options);
    if (code === 0) return stdout.trim();
    throw new Error(`'${argv.join(' ')}' ended with ${signal ?? code}: ${stdout}${stderr}`);
  }

  /** What a web server inside answers on `url`; the request is made from the machine's own network. */
  async visit(url: string): Promise<{ status: number; body: string }> {
    const { code, stdout, stderr } = await runProgram([
      ...['nsenter', '--target', String(this.pid), '--net', '--'],
      ...['curl', '-sS', '--noproxy', '*', '--max-time', '10'],
      ...['-w', '%{stderr}%{http_code}', url],
    ]);
    if (code !== 0) throw new Error(`no answer from ${url}: ${stderr.trim()}`);
    return { status: Number(stderr), body: stdout };
  }

  /** A property of a unit as `systemctl show` prints it; empty when it has none. */
  async property(unit: string, name: string): Promise<string> {
    return this.read(['systemctl', 'show', `--property=${name}`, '--value', unit]);
  }

  /** The machine's pid of the unit's main process; 0 without one. */
  async mainPid(unit: string): Promise<number> {
    return Number(await this.property(unit, 'MainPID'));
  }

  /** Waits until `unit` is active. Throws with its status and journal when it is not in time. */
  async untilActive(unit: string, timeoutMs = 10_000): Promise<void> {
    return this.untilIs(unit, 'active', timeoutMs);
  }

  /** Waits until `unit` is in `state`, as `systemctl is-active` names it. Throws as `untilActive` does. */
  async untilIs(unit: string, state: string, timeoutMs = 60_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while ((await this.property(unit, 'ActiveState')) !== state) {
      if (performance.now() > deadline) {
        const { stdout } = await this.run(['systemctl', 'status', '--no-pager', unit]);
        throw new Error(`unit '${unit}' was not ${state} after ${timeoutMs} ms\n${stdout}`);
      }
      await sleep(POLL_MS);
    }
  }

  /** The journal, oldest line first: of one unit or of all, of this boot or (`boot: 'all'`) of all. */
  async journal(options: { unit?: string; boot?: number | 'all' } = {}): Promise<string> {
    const { unit, boot = 0 } = options;
    const which = unit === undefined ? [] : ['--unit', unit];
    return this.read(['journalctl', '--no-pager', `--boot=${boot}`, ...which]);
  }

  /** As `systemctl reboot` does it: units are stopped in order, then PID 1 ends and a new one starts. */
  async reboot(): Promise<SystemState> {
    await this.powerOff('reboot');
    return this.boot();
  }

  /** Stops all units in order and switches off. */
  async powerOff(verb: 'poweroff' | 'reboot' = 'poweroff'): Promise<void> {
    // The command may be ended by what it asked for.
    const asked = this.run(
      this.#kind === 'systemd' ? ['systemctl', verb] : ['openrc-shutdown', `--${verb}`, 'now'],
    );
    await this.untilOff(STOP_TIMEOUT_MS);
    await asked;
  }

  /**
   * Kills PID 1, and with it every process at once. What programs had written
   * is still on the disk, synced or not: this is about processes, not about
   * lost writes. The machine is off then; `boot` starts it again.
   */
  async powerCut(): Promise<void> {
    process.kill(this.pid, 'SIGKILL');
    await this.untilOff();
  }

  /** Waits until PID 1 has ended, for whatever reason, and with it all its processes. */
  async untilOff(timeoutMs = 10_000): Promise<void> {
    if (this.#init === undefined) return;
    const { program } = this.#init;
    const late = sleep(timeoutMs, 'late', { ref: false });
    if ((await Promise.race([program.ended, late])) === 'late') {
      throw new Error(`the machine was not off after ${timeoutMs} ms\n${program.output.stderr}`);
    }
  }

  /** Ends everything of the machine, running or not. Throws when something is left. */
  async remove(): Promise<void> {
    const init = this.#init;
    this.#holder.child.stdin?.end();
    const { code, signal } = await this.#holder.ended;
    await init?.program.ended;
    if (code === 0) return;
    throw new Error(`a machine did not go away: ${signal ?? code} ${this.#holder.output.stderr}`);
  }

  async #noticeEnd(program: Background): Promise<void> {
    await program.ended;
    if (this.#init?.program === program) this.#init = undefined;
  }

  async #untilStarted(program: Background): Promise<SystemState> {
    const deadline = performance.now() + BOOT_TIMEOUT_MS;
    let said = '';
    while (performance.now() < deadline) {
      if (this.#init?.program !== program) break;
      if (!hasBecome(this.pid, this.#kind)) {
        await sleep(POLL_MS);
        continue;
      }
      const { stdout, stderr } = await this.run(ASK_STATE[this.#kind], {
        timeoutMs: BOOT_TIMEOUT_MS,
      });
      said = stdout.trim();
      if (/^(?:running|degraded|maintenance)$/.test(said)) return said as SystemState;
      said ||= stderr.trim();
      await sleep(POLL_MS);
    }
    const { stdout, stderr } = program.output;
    throw new Error(`${this.#kind} did not start: ${said}\n${stdout}${stderr}`);
  }
}

/** Prints the state when everything was started, or given up. */
const ASK_STATE = {
  systemd: ['systemctl', 'is-system-running', '--wait'],
  openrc: [
    ...['sh', '-c'],
    'test "$(cat /run/openrc/softlevel)" = default && test ! -e /run/openrc/rc.starting && echo running',
  ],
};

/** Not yet while the shell script that becomes init still looks at the host's disk, and not when it has ended. */
function hasBecome(pid: number, init: Init): boolean {
  try {
    const program = init === 'systemd' ? '/systemd/systemd' : '/openrc-init';
    return readlinkSync(`/proc/${pid}/exe`).endsWith(program);
  } catch {
    return false;
  }
}
