/**
 * What is observed of a release in probation besides the probes: how long it
 * was watched, and services that start again and again. Decides nothing. Time
 * is the machine's uptime, so that a clock that is set neither cuts a probation
 * short nor draws it out. A crash in here loses at most one look.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { timerMs } from '@landfall/cli';
import { messageOf } from '@landfall/errors';
import type { ServiceConfig } from './config.ts';
import type { Deployment } from './facts.ts';
import { stopIfTold, type Host } from './host.ts';
import { readBootId, uptimeMs } from './records/boot.ts';
import { readWatch, writeWatch, type Watch, type WatchedService } from './records/watch-file.ts';
import { mainProcess, restartCount } from './services/manager.ts';

/** A service that started by itself more often than is borne. */
export interface CrashLoop {
  service: string;
  restarts: number;
}

/** Begins the watch over `deployment`, which got its verdict just now. */
export async function beginWatch(host: Host, { id }: Deployment): Promise<void> {
  write(host, await look(host, { ...freshWatch(id), services: [] }));
}

/**
 * Looks at the services of the deployment in probation. When one started again
 * since the last look it looks on for the window of a verdict: a timer may come
 * once an hour, and a loop turns within seconds. Throws INTERRUPTED.
 */
export async function findCrashLoop(
  host: Host,
  { id }: Deployment,
): Promise<CrashLoop | undefined> {
  const { config, paths, signal } = host;
  const known = readWatch(paths.watch, id) ?? freshWatch(id);
  let watch = await look(host, known);
  const end = performance.now() + config.probe.window;
  while (hasMore(watch, known) && worst(host, watch) === undefined && performance.now() < end) {
    await sleep(timerMs(config.probe.interval), undefined, { signal }).catch(() => {});
    stopIfTold(signal);
    watch = await look(host, watch);
  }
  write(host, watch);
  return worst(host, watch);
}

/** Milliseconds until `deployment` was watched for the whole of its probation. */
export function probationLeft({ config, paths }: Host, { id }: Deployment): number {
  const watch = readWatch(paths.watch, id);
  if (watch === undefined) return config.probation;
  const { before, bootId, began, seen } = watch;
  const now = bootId === readBootId() ? uptimeMs() : seen;
  return Math.max(0, config.probation - before - Math.max(0, now - began));
}

async function look(host: Host, watch: Watch): Promise<Watch> {
  const bootId = readBootId();
  const now = uptimeMs();
  const sameBoot = watch.bootId === bootId;
  const services: WatchedService[] = [];
  for (const service of host.config.services) {
    const before = watch.services.find((each) => each.name === service.name);
    const after = await observe(service, before, sameBoot);
    if (after.restarts > (before?.restarts ?? 0)) {
      host.log.write(
        'services',
        `${service.name}: started again by itself, ${after.restarts} in all`,
      );
    }
    services.push(after);
  }
  if (sameBoot) return { ...watch, seen: now, services };
  const earlier = watch.before + Math.max(0, watch.seen - watch.began);
  return { ...watch, before: earlier, bootId, began: now, seen: now, services };
}

/** What is known of `service` now. Without an earlier look, or a count of this start, that is where counting begins. */
async function observe(
  service: ServiceConfig,
  before: WatchedService | undefined,
  sameBoot: boolean,
): Promise<WatchedService> {
  const { name } = service;
  const restarts = before?.restarts ?? 0;
  const count = await restartCount(service);
  if (count !== undefined) {
    // A start by hand, or of the machine, makes systemd count from zero.
    const since =
      sameBoot && before?.count !== undefined && count >= before.count ? before.count : 0;
    return { name, count, restarts: before === undefined ? 0 : restarts + count - since };
  }
  const process = (await mainProcess(service)) ?? before?.process;
  const changed =
    sameBoot && before?.process !== undefined && process !== undefined
      ? process.pid !== before.process.pid || process.start !== before.process.start
      : false;
  return { name, process, restarts: restarts + (changed ? 1 : 0) };
}

function freshWatch(deployment: string): Watch {
  const now = uptimeMs();
  const bootId = readBootId();
  return { schema: 1, deployment, before: 0, bootId, began: now, seen: now, services: [] };
}

function hasMore(watch: Watch, before: Watch): boolean {
  return restartsIn(watch) > restartsIn(before);
}

function restartsIn({ services }: Watch): number {
  return services.reduce((total, each) => total + each.restarts, 0);
}

function worst({ config }: Host, { services }: Watch): CrashLoop | undefined {
  const found = services.find((each) => each.restarts > config.probation_restarts);
  return found && { service: found.name, restarts: found.restarts };
}

/** A disk that takes nothing must not keep a release that fails: the count is then this look's only. */
function write(host: Host, watch: Watch): void {
  try {
    writeWatch(host.paths.watch, watch);
  } catch (error) {
    host.note(`going on without it: ${messageOf(error)}`);
  }
}
