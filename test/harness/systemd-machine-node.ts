/**
 * A node as in the field, on a machine with a real systemd: default paths, a
 * backend as a unit of its own below `current`, nginx of the distribution as
 * web server, a mirror on its disk, and the real `updater` inside.
 */
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  readFileSync,
  readlinkSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import type { Outcome } from './command.ts';
import {
  exampleWebUi,
  makeMirror,
  publish,
  type Release,
  ReleaseFactory,
  type ReleaseSpec,
} from './release-factory.ts';
import { makeMachine, type SystemdMachine } from './systemd-machine.ts';
import type { Init } from './systemd-machine-tree.ts';
import { temporaryFolder } from './temporary.ts';

const ROOT = '/opt/archipelago';
const STATE = '/var/lib/landfall';
/** The unit of the backend. */
export const UNIT = 'archipelago.service';
const CONFIG = '/etc/landfall/updater.toml';
/** Where OpenRC keeps the backend's pid. */
const PID_FILE = '/run/archipelago.pid';
const MIRROR = '/srv/mirror';

export interface MachineNodeOptions {
  /** What runs as PID 1; systemd unless told. The options below are for systemd. */
  init?: Init;
  /** Before the path in the unit's ExecStart: a program that becomes the backend. */
  execPrefix?: string;
  /** More lines of the unit's [Unit]. */
  unit?: readonly string[];
  /** More lines of the unit's [Service]. */
  service?: readonly string[];
}

export interface ConfigurationLines {
  /** Keys above all tables; they replace ours of the same name. */
  top?: readonly string[] | undefined;
  /** More keys of [probe]. */
  probe?: readonly string[];
  /** What comes at the end. */
  tables?: readonly string[];
}

/** A running machine with a node on it that has no release yet. */
export async function makeMachineNode(options: MachineNodeOptions = {}): Promise<MachineNode> {
  const { init = 'systemd' } = options;
  const machine = await makeMachine(init);
  const node = new MachineNode(machine, new ReleaseFactory(temporaryFolder()), init);
  makeMirror(machine.path(MIRROR));
  machine.write('/etc/nginx/sites-available/default', SITE);
  node.configure();
  if (init === 'openrc') {
    machine.write('/etc/init.d/archipelago', SCRIPT);
    chmodSync(machine.path('/etc/init.d/archipelago'), 0o755);
    await machine.read(['rc-update', 'add', 'archipelago', 'default']);
    await machine.read(['rc-service', 'nginx', 'restart']);
    return node;
  }
  machine.write(`/etc/systemd/system/${UNIT}`, unitOf(options));
  await machine.read(['systemctl', 'daemon-reload']);
  await machine.read(['systemctl', 'enable', UNIT]);
  // Not reload: the distribution's site listens on every address, and so holds the port.
  await machine.read(['systemctl', 'restart', 'nginx']);
  return node;
}

export class MachineNode {
  readonly machine: SystemdMachine;
  readonly factory: ReleaseFactory;
  readonly #init: Init;

  constructor(machine: SystemdMachine, factory: ReleaseFactory, init: Init) {
    this.machine = machine;
    this.factory = factory;
    this.#init = init;
  }

  /** Writes the updater's configuration. */
  configure(more: ConfigurationLines = {}): void {
    const { top = [], probe = [], tables = [] } = more;
    const told = new Set(top.map(keyOf));
    const ours = [
      'app = "archipelago"',
      `public_keys = ["${this.factory.publicKey}"]`,
      'probation = "0s"',
      'web_user = "www-data"',
    ];
    const lines = [
      ...ours.filter((line) => !told.has(keyOf(line))),
      ...top,
      '[[mirrors]]',
      'type = "directory"',
      `path = "${MIRROR}"`,
      '[probe]',
      'url = "http://127.0.0.1/"',
      'window = "3s"',
      'interval = "100ms"',
      ...probe,
      '[[services]]',
      `name = "${this.#init === 'systemd' ? UNIT : 'archipelago'}"`,
      `manager = "${this.#init}"`,
      ...(this.#init === 'systemd' ? [] : [`pid_file = "${PID_FILE}"`]),
      'component = "server"',
      'timeout = "3s"',
      '[[services]]',
      'name = "nginx"',
      `manager = "${this.#init}"`,
      'action = "reload"',
      ...tables,
    ];
    this.machine.write(CONFIG, `${lines.join('\n')}\n`);
  }

  /**
   * Publishes the next release: a web UI that names `version`, and as backend
   * a copy of the machine's `program`, a file of its own for every version.
   */
  async ship(
    version: string,
    options: { program?: string } & Partial<ReleaseSpec> = {},
  ): Promise<Release> {
    const { program = 'sleep', ...spec } = options;
    const server = join(temporaryFolder(), 'server');
    copyFileSync(this.machine.path(`/usr/bin/${program}`), server);
    // Bytes after the end of an ELF file are nothing to the kernel.
    appendFileSync(server, `\n${version}\n`);
    const release = await this.factory.make({
      version,
      webUi: exampleWebUi(version),
      files: { server },
      ...spec,
    });
    publish(release, this.machine.path(MIRROR));
    return release;
  }

  /** Runs `updater ARGS` inside. */
  async updater(...args: readonly string[]): Promise<Outcome> {
    return this.machine.run(['updater', ...args]);
  }

  /** The backend's main process: its pid and the file it runs, as seen inside; undefined without one. */
  async backend(): Promise<{ pid: number; exe: string } | undefined> {
    const pid =
      this.#init === 'systemd'
        ? await this.machine.mainPid(UNIT)
        : Number((await this.machine.run(['cat', PID_FILE])).stdout);
    if (pid === 0) return undefined;
    return { pid, exe: await this.machine.read(['readlink', `/proc/${pid}/exe`]) };
  }

  /** Where the backend of `release` lies. */
  serverOf(release: Release): string {
    return `${ROOT}/deployments/${release.deploymentId}/server`;
  }

  /** What a visitor gets. */
  async visit(): Promise<{ status: number; body: string }> {
    return this.machine.visit('http://127.0.0.1/');
  }

  /** Id of the deployment that `current` points at; undefined without one. */
  current(): string | undefined {
    const link = this.machine.path(`${ROOT}/current`);
    if (lstatSync(link, { throwIfNoEntry: false }) === undefined) return undefined;
    return basename(readlinkSync(link));
  }

  /** A file of the state folder, parsed; undefined when it is not there. */
  read(name: string): unknown {
    const file = this.machine.path(`${STATE}/${name}`);
    return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
  }

  hasMarker(): boolean {
    return existsSync(this.machine.path(`${STATE}/pending-verification.json`));
  }
}

function keyOf(line: string): string {
  return line.split(' ')[0] ?? '';
}

function unitOf({ execPrefix, unit = [], service = [] }: MachineNodeOptions): string {
  const exec = [execPrefix, `${ROOT}/current/server`, 'infinity'];
  return [
    '[Unit]',
    'Description=Backend of the node',
    ...unit,
    '[Service]',
    `ExecStart=${exec.filter((part) => part !== undefined).join(' ')}`,
    ...service,
    '[Install]',
    'WantedBy=multi-user.target',
    '',
  ].join('\n');
}

/** It stops by pid alone: after a switch, the file at the path of the old process is another one. */
const SCRIPT = `#!/sbin/openrc-run
pidfile=${PID_FILE}
start() {
  start-stop-daemon --start --background --make-pidfile --pidfile "$pidfile" \\
    --exec ${ROOT}/current/server -- infinity
}
stop() {
  start-stop-daemon --stop --oknodo --pidfile "$pidfile" --retry TERM/2/KILL/2
}
`;

const SITE = `server {
  listen 127.0.0.1:80;
  root ${ROOT}/current/web-ui;
  index index.html;
  location / { try_files $uri $uri/ =404; }
}
`;
