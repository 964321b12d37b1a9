/**
 * Restarts the services, in the order of the configuration, and believes
 * nobody's exit code: the old process must be gone, and the new one must run
 * this release's file. A crash in here leaves some services on the old release
 * and some on the new; the next start restarts them all.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatDuration } from '@landfall/cli';
import type { ServiceConfig } from '../config.ts';
import { deploymentPath } from '../deployments.ts';
import type { Deployment } from '../facts.ts';
import type { Host } from '../host.ts';
import { readProgram, runProgram } from '../services/command.ts';
import { hasKnownProcess, mainProcess, restartCommand } from '../services/manager.ts';
import { isGone, runsFile, type ProcessId } from '../services/process.ts';

const POLL_MS = 100;

/**
 * Restarts all services on `deployment` (undefined: nothing is left to run,
 * so only the restart itself is checked). Resolves to why one did not come up.
 */
export async function restartServices(
  host: Host,
  deployment: Deployment | undefined,
): Promise<string | undefined> {
  for (const service of host.config.services) {
    const problem = await restartService(host, service, deployment);
    host.log.write('services', `${service.name}: ${problem ?? 'up'}`);
    if (problem !== undefined) return `service '${service.name}': ${problem}`;
  }
  return undefined;
}

/** Why some service does not run `deployment`'s file; undefined when all that name one do. */
export async function findForeignProcess(
  host: Host,
  deployment: Deployment,
): Promise<string | undefined> {
  for (const service of host.config.services) {
    const problem = await identityProblem(host, service, deployment);
    if (problem !== undefined) return `service '${service.name}': ${problem}`;
  }
  return undefined;
}

async function restartService(
  host: Host,
  service: ServiceConfig,
  deployment: Deployment | undefined,
): Promise<string | undefined> {
  const deadline = performance.now() + service.timeout;
  const before = await mainProcess(service);
  const argv = restartCommand(service);
  // systemd starts nothing that crashed too often lately, not even the old release: let it forget.
  if (service.manager === 'systemd') {
    await readProgram(['systemctl', 'reset-failed', service.name], service.timeout);
  }
  host.log.write('services', `${service.name}: ${argv.join(' ')}`);
  const failed = await host.log.withOutput('services', (output) =>
    runProgram(argv, { timeoutMs: service.timeout, output }),
  );
  if (failed !== undefined) return failed;
  let problem: string | undefined;
  do {
    problem = await findProblem(host, service, deployment, before);
    if (problem === undefined) return undefined;
    await sleep(POLL_MS);
  } while (performance.now() < deadline);
  return `${problem} after ${formatDuration(service.timeout)}`;
}

async function findProblem(
  host: Host,
  service: ServiceConfig,
  deployment: Deployment | undefined,
  before: ProcessId | undefined,
): Promise<string | undefined> {
  if (service.action === 'restart' && before !== undefined && !isGone(before)) {
    return `the old process ${before.pid} was still there`;
  }
  if (deployment === undefined || !hasKnownProcess(service)) return undefined;
  if ((await mainProcess(service)) === undefined) return 'no process was there';
  return identityProblem(host, service, deployment);
}

async function identityProblem(
  { paths }: Host,
  service: ServiceConfig,
  deployment: Deployment,
): Promise<string | undefined> {
  if (service.component === undefined) return undefined;
  const file = join(deploymentPath(paths, deployment.id), service.component);
  const process = await mainProcess(service);
  if (process === undefined) return 'no process was there';
  if (runsFile(process.pid, file)) return undefined;
  return `process ${process.pid} did not run '${service.component}' of ${deployment.version}`;
}
