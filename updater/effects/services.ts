/**
 * Restarts the services, in the order of the configuration, and believes
 * nobody's exit code: the old process must be gone, and the new one must run
 * this release's file. One that systemd told to end, and that does not, is
 * this node's to see to, not the release's. A crash in here leaves some services on the old release
 * and some on the new; the next start restarts them all.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatDuration } from '@landfall/cli';
import type { ServiceConfig } from '../config.ts';
import { deploymentPath } from '../deployments.ts';
import type { Blame, Deployment } from '../facts.ts';
import type { Host } from '../host.ts';
import { readProgram, runProgram } from '../services/command.ts';
import { hasKnownProcess, isStuck, mainProcess, restartCommand } from '../services/manager.ts';
import { isGone, runsFile, type ProcessId } from '../services/process.ts';
import { stopIfShuttingDown } from '../services/shutdown.ts';

const POLL_MS = 100;

/** Why a service did not come up, and whose fault that is. */
export interface RestartProblem {
  reason: string;
  blame: Blame;
}

/**
 * Restarts all services on `deployment` (undefined: nothing is left to run,
 * so only the restart itself is checked). Resolves to why one did not come up.
 * Throws `UpdaterError` INTERRUPTED when that is because the machine shuts down.
 */
export async function restartServices(
  host: Host,
  deployment: Deployment | undefined,
): Promise<RestartProblem | undefined> {
  for (const service of host.config.services) {
    const problem = await restartService(host, service, deployment);
    host.log.write('services', `${service.name}: ${problem?.reason ?? 'up'}`);
    if (problem === undefined) continue;
    await stopIfShuttingDown(host);
    return { ...problem, reason: `service '${service.name}': ${problem.reason}` };
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

/** The same, and of those that name none why one does not run at all, where that can be told. */
export async function findDown(host: Host, deployment: Deployment): Promise<string | undefined> {
  for (const service of host.config.services) {
    const problem = await findProblem(host, service, deployment, undefined);
    if (problem !== undefined) return `service '${service.name}': ${problem}`;
  }
  return undefined;
}

async function restartService(
  host: Host,
  service: ServiceConfig,
  deployment: Deployment | undefined,
): Promise<RestartProblem | undefined> {
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
  const problem = failed ?? (await waitForRight(host, service, deployment, before, deadline));
  if (problem === undefined) return undefined;
  const late = formatDuration(service.timeout);
  if (before !== undefined && !isGone(before) && (await isStuck(service))) {
    const isRight = deployment !== undefined && runsComponent(host, service, deployment, before);
    // It does not end, and need not: what is restarted on is what it runs.
    if (isRight) return undefined;
    const reason = `the old process ${before.pid} had not ended after ${late}`;
    return { reason, blame: 'node' };
  }
  const after = failed === undefined ? ` after ${late}` : '';
  return { reason: `${problem}${after}`, blame: 'release' };
}

/** What is wrong at `deadline`; undefined as soon as nothing is. */
async function waitForRight(
  host: Host,
  service: ServiceConfig,
  deployment: Deployment | undefined,
  before: ProcessId | undefined,
  deadline: number,
): Promise<string | undefined> {
  for (;;) {
    const problem = await findProblem(host, service, deployment, before);
    if (problem === undefined || performance.now() >= deadline) return problem;
    await sleep(POLL_MS);
  }
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
  host: Host,
  service: ServiceConfig,
  deployment: Deployment,
): Promise<string | undefined> {
  if (service.component === undefined) return undefined;
  const process = await mainProcess(service);
  if (process === undefined) return 'no process was there';
  if (runsComponent(host, service, deployment, process)) return undefined;
  return `process ${process.pid} did not run '${service.component}' of ${deployment.version}`;
}

/** Whether `process` runs exactly the file that `service` has in `deployment`; false when it names none. */
function runsComponent(
  { paths }: Host,
  { component }: ServiceConfig,
  deployment: Deployment,
  { pid }: ProcessId,
): boolean {
  return (
    component !== undefined && runsFile(pid, join(deploymentPath(paths, deployment.id), component))
  );
}
