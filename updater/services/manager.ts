/** How each service manager is told to restart a service, and asked for its process. */
import { readFileSync } from 'node:fs';
import { describeSystemError, messageOf, systemCode } from '@landfall/errors';
import type { QuiesceConfig } from '../config-hooks.ts';
import type { ServiceConfig } from '../config.ts';
import { UpdaterError } from '../errors.ts';
import { readProgram } from './command.ts';
import { identifyProcess, type ProcessId } from './process.ts';

const ASK_TIMEOUT_MS = 10_000;

/** The program that restarts, or reloads, `service`. */
export function restartCommand(service: ServiceConfig): string[] {
  const { manager, action, name, restart = [] } = service;
  switch (manager) {
    case 'systemd':
      return ['systemctl', action, name];
    case 'openrc':
      return ['rc-service', name, action];
    default:
      return restart;
  }
}

/** The program that stops, or starts, a service that is quiesced. */
export function quiesceCommand(service: QuiesceConfig, action: 'stop' | 'start'): string[] {
  switch (service.manager) {
    case 'systemd':
      return ['systemctl', action, service.name];
    case 'openrc':
      return ['rc-service', service.name, action];
    default:
      return service[action] ?? [];
  }
}

/** Whether a service runs, or is about to; undefined when nobody can tell. */
export async function isActive({ manager, name }: QuiesceConfig): Promise<boolean | undefined> {
  switch (manager) {
    case 'systemd': {
      const state = await askSystemd(name, 'ActiveState');
      return state === undefined ? undefined : !['inactive', 'failed'].includes(state);
    }
    case 'openrc':
      return (await readProgram(['rc-service', name, 'status'], ASK_TIMEOUT_MS)) !== undefined;
    default:
      return undefined;
  }
}

/** Whether the service manager knows `service`. A command has no name that anybody knows. */
export async function isKnown({
  manager,
  name,
}: Pick<ServiceConfig, 'manager' | 'name'>): Promise<boolean> {
  switch (manager) {
    case 'systemd':
      return (await askSystemd(name, 'LoadState')) !== 'not-found';
    case 'openrc':
      return (await readProgram(['rc-service', '--exists', name], ASK_TIMEOUT_MS)) !== undefined;
    default:
      return true;
  }
}

/** Whether a service is being stopped and has not ended. */
export async function isStuck({
  manager,
  name,
}: Pick<ServiceConfig, 'manager' | 'name'>): Promise<boolean> {
  if (manager !== 'systemd') return false;
  return (await askSystemd(name, 'ActiveState')) === 'deactivating';
}

/** The main process of `service`; undefined when it has none, or nobody can tell. Throws `UpdaterError` CONFIG for a pid file that cannot be read. */
export async function mainProcess(service: ServiceConfig): Promise<ProcessId | undefined> {
  const { manager, name, pid_file: pidFile } = service;
  const text =
    manager === 'systemd' && pidFile === undefined
      ? await askSystemd(name, 'MainPID')
      : readPidFile(pidFile);
  if (text === undefined || !/^[1-9]\d{0,9}$/.test(text)) return undefined;
  return identifyProcess(Number(text));
}

/** How often systemd started `service` again by itself; undefined where nobody counts. */
export async function restartCount({ manager, name }: ServiceConfig): Promise<number | undefined> {
  if (manager !== 'systemd') return undefined;
  const text = await askSystemd(name, 'NRestarts');
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

/**
 * Why `service` is not running and will not be started again by itself, as far
 * as its manager tells; undefined when that is not so. Only systemd tells: of
 * any other the caller is believed.
 */
export async function findFailure({ manager, name }: ServiceConfig): Promise<string | undefined> {
  if (manager !== 'systemd') return 'its manager said so';
  const ask = ['systemctl', 'show', '--property=ActiveState,Result,NRestarts', name];
  const text = (await readProgram(ask, ASK_TIMEOUT_MS)) ?? '';
  if (!text.includes('ActiveState=failed')) return undefined;
  const value = (key: string): string => new RegExp(`^${key}=(.+)$`, 'm').exec(text)?.[1] ?? '?';
  return `systemd says '${value('Result')}', restarts: ${value('NRestarts')}`;
}

/** Whether `mainProcess` can be expected to know. */
export function hasKnownProcess(service: ServiceConfig): boolean {
  return service.manager === 'systemd' || service.pid_file !== undefined;
}

/** A property of a unit; empty when it has none, undefined when systemd does not answer. */
async function askSystemd(name: string, property: string): Promise<string | undefined> {
  const ask = ['systemctl', 'show', `--property=${property}`, '--value', name];
  return readProgram(ask, ASK_TIMEOUT_MS);
}

function readPidFile(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    const why = describeSystemError(error)?.what ?? messageOf(error);
    throw new UpdaterError('CONFIG', `'services.pid_file': '${path}' cannot be read: ${why}`, {
      hint: 'expected the file that the service writes its process id to',
      cause: error,
    });
  }
}
