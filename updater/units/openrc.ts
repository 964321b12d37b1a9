/**
 * The updater's scripts for OpenRC, as text that follows from the
 * configuration. Pure; `install.ts` writes them.
 *
 * OpenRC has no timer and tells nobody of a service that was given up: the
 * daemon looks for releases, and sees in its rounds what does not pass.
 */
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { OURS, type UnitFile } from './plan.ts';
import { stopMs } from './timing.ts';

/** Where OpenRC has its service scripts: openrc-run(8). */
export const SCRIPT_FOLDER = '/etc/init.d';
const WEB_SERVERS = 'nginx apache2 caddy lighttpd';

/** Both scripts; `program` is the absolute path of `updater`. */
export function openrcFiles(config: Config, program: string): UnitFile[] {
  const head = [
    '#!/sbin/openrc-run',
    `# ${OURS} from ${config.file}; changes belong there, or into /etc/conf.d/updater.`,
  ];
  const named: [string, string[]][] = [
    ['updater', daemonScript(config, program)],
    ['updater-verify', verifyScript(config, program)],
  ];
  return named.map(([name, lines]) => ({
    path: `${SCRIPT_FOLDER}/${name}`,
    text: `${[...head, ...lines].join('\n')}\n`,
    mode: 0o755,
  }));
}

function daemonScript(config: Config, program: string): string[] {
  return [
    'description="Looks for releases and watches what runs"',
    '# What ends it is settled by its next start, so it is always started again.',
    'supervisor=supervise-daemon',
    'respawn_delay=5',
    'respawn_max=0',
    `command=${quote(program)}`,
    `command_args=${quote(`run --config ${quote(config.file)}`)}`,
    'output_log="${output_log:-/var/log/updater.log}"',
    'error_log="${error_log:-/var/log/updater.log}"',
    '# It ends between two steps; a restart of a service that it waits for is not cut off.',
    `retry="SIGTERM/${Math.ceil(stopMs(config) / 1000)}/SIGKILL/5"`,
    '',
    'depend() {',
    '  after localmount',
    '  use net',
    `  after updater-verify ${servicesOf(config)}`,
    '}',
  ];
}

function verifyScript(config: Config, program: string): string[] {
  return [
    'description="Settles what a crash left, at boot"',
    '',
    'depend() {',
    '  after localmount',
    `  after ${servicesOf(config)}`,
    '}',
    '',
    'start() {',
    '  ebegin "Settling what the last update left"',
    ...verifyLines(config, `${quote(program)} verify --boot --config ${quote(config.file)}`),
    '  eend $?',
    '}',
    '',
    'stop() {',
    '  return 0',
    '}',
  ];
}

/** An updater that took over and fails before it did its work once gives way to the one before it. */
function verifyLines({ root, updater }: Config, command: string): string[] {
  if (updater.component === undefined) return [`  ${command}`];
  const [previous, link] = [join(root, 'updater.previous'), join(root, 'updater')].map(quote);
  return [
    `  if ! ${command} && [ -L ${previous} ]; then`,
    `    mv -fT ${previous} ${link} && ${command}`,
    '  fi',
  ];
}

function servicesOf({ services }: Config): string {
  const names = services.filter((each) => each.manager === 'openrc').map((each) => each.name);
  return [...new Set([...names, ...WEB_SERVERS.split(' ')])].join(' ');
}

/** `text` as one word of a shell. */
function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
