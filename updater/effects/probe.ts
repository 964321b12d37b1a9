/**
 * The verdict: several passes in a row inside a window, on a clock that nobody
 * sets. A row of passes that has begun is never cut off by the end of the
 * window. Nothing is written but the log; a crash here leaves the verdict due.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { timerMs } from '@landfall/cli';
import { describeSystemError, messageOf } from '@landfall/errors';
import { deploymentPath, readCurrent } from '../deployments.ts';
import { RANKS, type Deployment, type Outcome } from '../facts.ts';
import { stopIfTold, type Host } from '../host.ts';
import { checkBytes, checkVersion } from '../probe/check.ts';
import { planProbe, type ProbePlan } from '../probe/plan.ts';
import { stopIfShuttingDown } from '../services/shutdown.ts';
import { findForeignProcess } from './services.ts';

/**
 * Probes until `deployment` passed often enough in a row, or `windowMs` are
 * over. Healthy only in the first case; otherwise the last failure, and how
 * often it passed. Throws `UpdaterError` INTERRUPTED, and what keeps its files from being read.
 */
export async function probeDeployment(
  host: Host,
  deployment: Deployment,
  windowMs: number,
): Promise<Outcome> {
  return probeUntil(host, deployment, windowMs, planOf(host, deployment));
}

/**
 * The same of what was installed before. That its files cannot be read is how it does, and nothing
 * that keeps a node from leaving it. Throws `UpdaterError` INTERRUPTED.
 */
export async function probeInstalled(
  host: Host,
  deployment: Deployment,
  windowMs: number,
): Promise<Outcome> {
  return probeUntil(host, deployment, windowMs, planIfReadable(host, deployment));
}

async function probeUntil(
  host: Host,
  deployment: Deployment,
  windowMs: number,
  plan: ProbePlan | string,
): Promise<Outcome> {
  const { probe } = host.config;
  // What fails is to be gone within the window: the last look must fit into it.
  const end = performance.now() + windowMs - Math.min(probe.timeout, windowMs / 4);
  let row = 0;
  let passed = 0;
  let last: Outcome = { rank: 'refused', reason: 'not probed yet' };
  for (let tries = 1; ; tries += 1) {
    const outcome = await lookOnce(host, deployment, plan);
    host.log.write('probe', `${deployment.id} ${tries}: ${outcome.rank}, ${outcome.reason}`);
    if (outcome.rank === 'healthy') {
      row += 1;
      passed += 1;
      if (row === probe.passes) return describePass(outcome, row);
    } else {
      row = 0;
      last = outcome;
      if (performance.now() >= end) {
        await stopIfShuttingDown(host);
        return describeFailure(last, passed, tries);
      }
    }
    await sleep(timerMs(probe.interval), undefined, { signal: host.signal }).catch(() => {});
    stopIfTold(host.signal);
  }
}

/**
 * How healthy `deployment` is before anything is changed: the best of a few
 * looks, so that a moment's failure does not excuse a bad release.
 */
export async function probeBaseline(host: Host, deployment: Deployment): Promise<Outcome> {
  return bestOfFew(host, deployment, (tries, { rank, reason }) => {
    host.log.write('probe', `${deployment.id} baseline ${tries}: ${rank}, ${reason}`);
  });
}

/** The same when nothing is to be changed at all: nothing is written, so that it can be asked as often as one likes. */
export async function probeNow(host: Host, deployment: Deployment): Promise<Outcome> {
  return bestOfFew(host, deployment, () => {});
}

async function bestOfFew(
  host: Host,
  deployment: Deployment,
  onLook: (tries: number, outcome: Outcome) => void,
): Promise<Outcome> {
  const { probe } = host.config;
  const plan = planIfReadable(host, deployment);
  let best: Outcome | undefined;
  for (let tries = 1; tries <= probe.passes; tries += 1) {
    if (tries > 1)
      await sleep(timerMs(probe.interval), undefined, { signal: host.signal }).catch(() => {});
    stopIfTold(host.signal);
    const outcome = await lookOnce(host, deployment, plan);
    onLook(tries, outcome);
    if (outcome.rank === 'healthy') return outcome;
    if (best === undefined || RANKS.indexOf(outcome.rank) > RANKS.indexOf(best.rank))
      best = outcome;
  }
  return best ?? { rank: 'refused', reason: 'not probed' };
}

async function lookOnce(
  host: Host,
  deployment: Deployment,
  plan: ProbePlan | string,
): Promise<Outcome> {
  const { config, paths, signal } = host;
  const current = readCurrent(paths);
  if (current.kind !== 'deployment' || current.id !== deployment.id) {
    return { rank: 'wrong', reason: `'current' does not lead to ${deployment.id}` };
  }
  const foreign = await findForeignProcess(host, deployment);
  const answer =
    config.probe.version_url === undefined
      ? typeof plan === 'string'
        ? ({ rank: 'wrong', reason: `${deployment.version}: ${plan}` } as const)
        : await checkBytes(config.probe, plan, signal)
      : await checkVersion(config.probe, config.probe.version_url, deployment.version, signal);
  return answer.rank === 'healthy' && foreign !== undefined
    ? { rank: 'wrong', reason: foreign }
    : answer;
}

function planIfReadable(host: Host, deployment: Deployment): ProbePlan | string {
  try {
    return planOf(host, deployment);
  } catch (error) {
    return `its files cannot be read: ${describeSystemError(error)?.what ?? messageOf(error)}`;
  }
}

function planOf({ config, paths }: Host, { id }: Deployment): ProbePlan | string {
  const { component, assets, version_url: versionUrl } = config.probe;
  if (versionUrl !== undefined) return 'the version is asked for';
  return planProbe(join(deploymentPath(paths, id), component), assets);
}

function describePass({ rank, reason }: Outcome, row: number): Outcome {
  return { rank, reason: `${reason}, ${row} times in a row` };
}

function describeFailure({ rank, reason }: Outcome, passed: number, tries: number): Outcome {
  return { rank, reason: passed === 0 ? reason : `${reason} (${passed} of ${tries} passed)` };
}
