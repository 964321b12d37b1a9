/**
 * The updater's units for systemd, as text that follows from the
 * configuration. Pure; `install.ts` writes them.
 *
 * At boot the services come first, then `updater-verify`, then
 * `boot-complete.target`: a machine is not called started while a release has
 * no verdict. At shutdown the order turns round: the updater has ended before
 * the first service is stopped, so that it never takes a stopped service for
 * a broken release.
 */
import { join } from 'node:path';
import type { Config, ServiceConfig } from '../config.ts';
import { hardeningLines, quotePath } from './hardening.ts';
import { OURS, type UnitFile } from './plan.ts';
import { settleMs, stopMs } from './timing.ts';

/** Where an administrator's units stand, before those of packages: systemd.unit(5). */
export const UNIT_FOLDER = '/etc/systemd/system';
/** Name of the drop-in that every service of the node gets. */
export const DROP_IN = 'updater.conf';
/** Names that web servers' units have; one that is not there is no matter. */
const WEB_SERVERS = ['nginx', 'apache2', 'httpd', 'caddy', 'lighttpd'];
/** The disk may keep it from telling for a while, syncing what was extracted. */
const WATCHDOG = '10min';

/** All unit files of `config`; `program` is the absolute path of `updater`. */
export function systemdFiles(config: Config, program: string): UnitFile[] {
  const named: [string, string[]][] = [
    ['updater.service', onceUnit(config, program)],
    ['updater.timer', timerUnit(config)],
    ['updater-run.service', runUnit(config, program)],
    ['updater-verify.service', verifyUnit(config, program)],
    ['updater-failed@.service', failedUnit(config, program)],
    ...managedUnits(config).map((unit): [string, string[]] => [
      `${unit}.d/${DROP_IN}`,
      [
        '[Unit]',
        '# What it does when it is given up: docs/operators.md.',
        // Without its suffix a unit is taken for a service: `failed` would not find any other.
        `OnFailure=updater-failed@${unit.endsWith('.service') ? '%N' : '%n'}.service`,
      ],
    ]),
  ];
  const head = `# ${OURS} from ${config.file}; changes belong there, or into a drop-in.`;
  return named.map(([name, lines]) => ({
    path: `${UNIT_FOLDER}/${name}`,
    text: `${[head, ...lines].join('\n')}\n`,
    mode: 0o644,
  }));
}

/** The units that the updater restarts, each once, with their suffix. */
export function managedUnits({ services }: Config): string[] {
  const names = services.filter((each) => each.manager === 'systemd').map(toUnitName);
  return [...new Set(names)];
}

/** `nginx` → `nginx.service`. */
export function toUnitName({ name }: Pick<ServiceConfig, 'name'>): string {
  return /\.(?:service|socket|target|path|timer|mount)$/.test(name) ? name : `${name}.service`;
}

/** How often the timer looks: the configured interval, or the nearest shorter one a calendar knows. */
export function calendarOf(intervalMs: number): string {
  const minutes = Math.max(1, Math.floor(intervalMs / 60_000));
  if (minutes < 60) return `*-*-* *:00/${divisorOf(60, minutes)}:00`;
  if (minutes < 24 * 60) return `*-*-* 00/${divisorOf(24, Math.floor(minutes / 60))}:00:00`;
  return '*-*-* 00:00:00';
}

/** The largest divisor of `whole` that is not above `most`. */
function divisorOf(whole: number, most: number): number {
  for (let n = Math.min(most, whole); n > 1; n -= 1) if (whole % n === 0) return n;
  return 1;
}

function onceUnit(config: Config, program: string): string[] {
  return [
    '[Unit]',
    'Description=Look for a release and install it',
    `After=network-online.target updater-verify.service ${servicesOf(config)}`,
    'Wants=network-online.target',
    '',
    '[Service]',
    'Type=oneshot',
    `ExecStart=${execOf(config, program, 'once')}`,
    '# A slow line may take its time; what hangs for longer is ended, and settled the next time.',
    'TimeoutStartSec=6h',
    ...commonLines(config),
  ];
}

function timerUnit({ run }: Config): string[] {
  return [
    '[Unit]',
    'Description=Look for releases now and then',
    '',
    '[Timer]',
    `OnCalendar=${calendarOf(run.interval)}`,
    '# So that a fleet does not ask its mirrors all at once.',
    `RandomizedDelaySec=${run.jitter}ms`,
    'AccuracySec=1s',
    '# A look that was missed while the machine was off is made up for.',
    'Persistent=true',
    '',
    '[Install]',
    'WantedBy=timers.target',
  ];
}

function runUnit(config: Config, program: string): string[] {
  return [
    '[Unit]',
    'Description=Look for releases and watch what runs',
    `After=network-online.target updater-verify.service ${servicesOf(config)}`,
    'Wants=network-online.target',
    '# It is never given up: whatever ended it is settled by its next start.',
    'StartLimitIntervalSec=0',
    '',
    '[Service]',
    'Type=notify',
    '# It is systemd-notify, a process of its own, that tells.',
    'NotifyAccess=all',
    `ExecStart=${execOf(config, program, 'run')}`,
    'Restart=always',
    'RestartSec=5s',
    `WatchdogSec=${WATCHDOG}`,
    'TimeoutAbortSec=10s',
    ...commonLines(config),
    '',
    '[Install]',
    'WantedBy=multi-user.target',
  ];
}

function verifyUnit(config: Config, program: string): string[] {
  return [
    '[Unit]',
    'Description=Settle what a crash left, before the start of this machine counts as complete',
    `After=network.target ${servicesOf(config)}`,
    'Before=boot-complete.target updater.service updater-run.service',
    '',
    '[Service]',
    'Type=oneshot',
    'RemainAfterExit=yes',
    `ExecStart=${execOf(config, program, 'verify', '--boot')}`,
    '# It waits for an updater that is at work, then settles.',
    `TimeoutStartSec=${seconds(3 * settleMs(config))}`,
    ...commonLines(config),
    '',
    '[Install]',
    'WantedBy=multi-user.target',
    'RequiredBy=boot-complete.target',
  ];
}

function failedUnit(config: Config, program: string): string[] {
  return [
    '[Unit]',
    'Description=Leave the release in probation, for %i was given up',
    '# Not ordered after the services: it is there to restart them.',
    '',
    '[Service]',
    'Type=oneshot',
    `ExecStart=${execOf(config, program, 'failed', '%i')}`,
    '# It waits for an updater that is at work, then settles.',
    `TimeoutStartSec=${seconds(3 * settleMs(config))}`,
    ...commonLines(config),
  ];
}

function commonLines(config: Config): string[] {
  const { root, state, units } = config;
  return [
    'EnvironmentFile=-/etc/default/updater',
    ...fallbackLines(config),
    '# Only the updater is told to stop: a restart of a service that it waits for is not cut off.',
    'KillMode=mixed',
    `TimeoutStopSec=${seconds(stopMs(config))}`,
    ...hardeningLines([root, state]),
    ...(units.service.length === 0
      ? []
      : ['# [units].service of the configuration', ...units.service]),
  ];
}

/**
 * By programs that need neither of the two. What the power takes back of it is
 * done again after the next start that fails.
 */
function fallbackLines({ root, updater }: Config): string[] {
  if (updater.component === undefined) return [];
  const links = [join(root, 'updater.previous'), join(root, 'updater')].map(quotePath);
  const script = `[ "$$SERVICE_RESULT" = success ] || [ ! -L "$$1" ] || mv -fT "$$1" "$$2"`;
  return [
    '# An updater that took over and fails before it did its work once gives way to the one before it.',
    `ExecStopPost=-/bin/sh -c '${script}' updater ${links.join(' ')}`,
  ];
}

/** `%i` stays a specifier; everything else of a command line is a path or a word of ours. */
function execOf(config: Config, program: string, ...args: readonly string[]): string {
  return [quotePath(program), ...args, '--config', quotePath(config.file)].join(' ');
}

function servicesOf(config: Config): string {
  const servers = WEB_SERVERS.map((name) => `${name}.service`);
  return [...new Set([...managedUnits(config), ...servers])].join(' ');
}

function seconds(ms: number): string {
  return `${Math.ceil(ms / 1000)}s`;
}
