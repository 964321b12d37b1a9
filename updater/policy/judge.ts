/**
 * When a node takes a release that it would take: not while a person holds it,
 * inside its windows, so many a day, some time after it was seen. All of it
 * passes by itself; nothing here changes anything.
 */
import { formatDuration } from '@landfall/cli';
import type { Host } from '../host.ts';
import type { Event, HeldCode } from '../machine.ts';
import { leavesWithdrawn, type Decline, type Offer, type Wish } from '../offer.ts';
import { readClock, type Clock } from '../records/clock.ts';
import { readHeld, type Held } from '../records/hold-file.ts';
import { DAY_MS, readPace, recentInstalls, seenSince } from '../records/pace-file.ts';
import { jitterOf } from './jitter.ts';
import { judgeWindows } from './windows.ts';

/** Why `offer` is not taken now; undefined when it is. */
export function judgePace(
  host: Host,
  offer: Offer,
  wish: Wish,
  clock: Clock = readClock(),
): Decline | undefined {
  const { store } = host;
  const { now } = clock;
  const held = wish.despiteHold === true ? undefined : judgeHold(host, clock);
  if (held !== undefined) return held;
  // A person says now, or what runs is not to run any longer: the rest is for quiet times.
  if (wish.byHand === true || leavesWithdrawn(offer, store.state.running?.deployment)) {
    return undefined;
  }
  const decline =
    judgeWindow(host, now) ??
    judgeLimit(host, now) ??
    judgeTurn(host, offer.deployment.digest, now);
  const hint = `to take it now: 'updater apply ${offer.deployment.version}'`;
  return decline && { ...decline, hint };
}

/**
 * Why what is staged is not switched to now, though nothing stood against it when it was looked at:
 * a hold was begun since, or the last window closed. The other rules are about taking it.
 */
export function judgeSwitch(
  host: Host,
  version: string,
  {
    despiteHold = false,
    atAnyTime = false,
  }: Pick<Event & { name: 'activate' }, 'despiteHold' | 'atAnyTime'>,
): (Decline & { code: HeldCode }) | undefined {
  const held = despiteHold ? undefined : judgeHold(host);
  if (held !== undefined) return held;
  const closed = atAnyTime ? undefined : judgeWindow(host, new Date());
  return closed && { ...closed, hint: `to take it now: 'updater apply ${version}'` };
}

/** That somebody wants nothing installed now; undefined when nobody does. */
export function judgeHold(
  { paths }: Host,
  clock: Clock = readClock(),
): (Decline & { code: 'held' }) | undefined {
  const held = readHeld(paths.hold, clock);
  return held && declineHeld(held, paths.hold);
}

function judgeWindow(
  { config }: Host,
  now: Date,
): (Decline & { code: 'outside-window' }) | undefined {
  if (config.windows.length === 0) return undefined;
  const window = judgeWindows(config.windows, now);
  if (window.open) return undefined;
  const { opens } = window;
  return {
    code: 'outside-window',
    reason: `no maintenance window is open: ${opens === undefined ? 'none opens in two weeks' : untilWords(opens, now)}`,
    until: opens?.toISOString(),
  };
}

function judgeLimit({ config, paths }: Host, now: Date): Decline | undefined {
  const most = config.max_per_day;
  const installs = recentInstalls(readPace(paths.pace), now);
  const oldest = most === undefined ? undefined : installs.at(-most);
  if (oldest === undefined) return undefined;
  const until = new Date(oldest.getTime() + DAY_MS);
  return {
    code: 'enough-today',
    reason: `${installs.length} of at most ${most} were installed in 24 hours: ${untilWords(until, now)}`,
    until: until.toISOString(),
  };
}

function judgeTurn({ config, paths }: Host, digest: string, now: Date): Decline | undefined {
  if (config.jitter === 0) return undefined;
  const code = 'waiting-jitter';
  const pace = readPace(paths.pace);
  if (pace === undefined) {
    const most = formatDuration(config.jitter);
    return { code, reason: `it waits its turn: at most ${most} once it was seen` };
  }
  const delay = jitterOf(pace.node, digest, config.jitter);
  const due = new Date(seenSince(pace, digest, now).getTime() + delay);
  if (due <= now) return undefined;
  return { code, reason: `it waits its turn: ${untilWords(due, now)}`, until: due.toISOString() };
}

/** A hold in one line. */
export function describeHeld(held: Held): string {
  if ('corrupt' in held) return `held, for 'hold.json' makes no sense: ${held.corrupt}`;
  const { hold, leftMs } = held;
  return `held until ${seconds(hold.until)} (${formatDuration(leftMs)} left): ${hold.reason}`;
}

function declineHeld(held: Held, file: string): Decline & { code: 'held' } {
  const hint =
    'corrupt' in held
      ? `look at ${file}; 'updater unhold' lifts it`
      : "'updater unhold' lifts it; 'updater apply --despite-hold' installs this once";
  const until = 'corrupt' in held ? undefined : held.hold.until;
  return { code: 'held', reason: describeHeld(held), until, hint };
}

/** A time for people: nobody waits for milliseconds. */
function seconds(iso: string): string {
  return iso.replace(/\.\d+Z$/, 'Z');
}

/** From when on, for people, and how long that is. */
export function untilWords(until: Date, now: Date): string {
  return `from ${seconds(until.toISOString())} on (in ${formatDuration(until.getTime() - now.getTime())})`;
}
