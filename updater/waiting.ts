/**
 * Growing waits after what was not the release's fault. What cannot be written
 * down here (the disk may be what is wrong) is tried again early: never worth
 * failing for.
 */
import { messageOf } from '@landfall/errors';
import type { Deployment } from './facts.ts';
import { timestamp, tryTo, type Host } from './host.ts';
import type { Settled } from './machine.ts';
import type { Decline, Offer, Wish } from './offer.ts';
import {
  findAttempt,
  readAttempts,
  waitLeft,
  withFailure,
  withoutAttempt,
  writeAttempts,
  type Attempt,
} from './records/attempts-file.ts';
import { readClock } from './records/clock.ts';

type Kind = Attempt['of'];

/** Writes down that `deployment` failed for a reason that is not its own. */
export function postpone(host: Host, of: Kind, deployment: Deployment, reason: string): void {
  const { paths, journal } = host;
  try {
    const clock = readClock();
    const attempts = withFailure(readAttempts(paths.attempts), of, deployment, reason, clock);
    writeAttempts(paths.attempts, attempts);
    const entry = findAttempt(attempts, of, deployment);
    if (entry === undefined || of === 'probe') return;
    const { version, until, count } = entry;
    journal.append({ at: timestamp(), waiting: version, until, count, reason });
  } catch (error) {
    host.note(`going on without it: ${messageOf(error)}`);
  }
}

/** Forgets that `deployment` failed. */
export function stopWaiting(host: Host, of: Kind, deployment: Pick<Deployment, 'digest'>): void {
  const { attempts: path } = host.paths;
  const attempts = readAttempts(path);
  if (findAttempt(attempts, of, deployment) === undefined) return;
  tryTo(host, () => writeAttempts(path, withoutAttempt(attempts, of, deployment)));
}

/** The attempt that `deployment` waits after, and the milliseconds that are left; undefined when it does not wait. */
export function findWait(
  { paths }: Pick<Host, 'paths'>,
  of: Kind,
  deployment: Pick<Deployment, 'digest'>,
): { attempt: Attempt; left: number } | undefined {
  const attempt = findAttempt(readAttempts(paths.attempts), of, deployment);
  if (attempt === undefined) return undefined;
  const left = waitLeft(attempt, readClock());
  return left > 0 ? { attempt, left } : undefined;
}

/** Milliseconds until the first release that waits may be tried again; undefined when none waits. */
export function soonestInstall({ paths }: Pick<Host, 'paths'>): number | undefined {
  const clock = readClock();
  const waits = readAttempts(paths.attempts)
    .filter((each) => each.of === 'install')
    .map((each) => waitLeft(each, clock))
    .filter((left) => left > 0);
  return waits.length === 0 ? undefined : Math.min(...waits);
}

/** Why `offer` is not tried now, when that is because of this machine; an operator can always ask. */
export function judgeWait(
  host: Host,
  state: Settled,
  offer: Offer,
  wish: Wish,
): Decline | undefined {
  if (wish.byHand === true) return undefined;
  const { version, digest } = offer.deployment;
  const hint = `to try it now: 'updater apply ${version}'`;
  if (state.name === 'degraded' && state.failed?.digest === digest) {
    const runs = state.running.deployment.version;
    return {
      code: 'waiting',
      reason: `neither ${version} nor ${runs} passed here: it is tried again once ${runs} passes`,
      hint: `find out what is wrong with this node (${state.reason}); ${hint}`,
    };
  }
  const wait = findWait(host, 'install', offer.deployment);
  if (wait === undefined) return undefined;
  const { attempt, left } = wait;
  const until = timestamp(left);
  const times = attempt.count === 1 ? '' : `, ${attempt.count} times in a row`;
  return {
    code: 'waiting',
    reason: `${version} is tried again at ${until}; at ${attempt.at} it was not to be${times}: ${attempt.reason}`,
    hint,
    until,
  };
}
