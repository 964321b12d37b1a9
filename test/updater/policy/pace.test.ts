/** Holds, jitter and the day's limit: they pass, whatever the clock says. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { acquireLock } from '@landfall/durable';
import { describe, expect, it } from 'vitest';
import { removeLeftovers } from '../../../updater/effects/tidy.ts';
import type { Decline, Wish } from '../../../updater/offer.ts';
import { jitterOf } from '../../../updater/policy/jitter.ts';
import { judgePace } from '../../../updater/policy/judge.ts';
import { keepHold, keepInstall, keepSight } from '../../../updater/policy/keep.ts';
import { readClock, type Clock } from '../../../updater/records/clock.ts';
import {
  beginHold,
  countHold,
  leftOf,
  readHold,
  writeHold,
} from '../../../updater/records/hold-file.ts';
import { changePace, readPace } from '../../../updater/records/pace-file.ts';
import { makeHost, type TestHost } from '../../harness/host.ts';
import { exampleOffer } from '../../harness/offers.ts';

const HOUR = 3_600_000;
const clock = (now: string, uptimeHours: number, bootId = 'first'): Clock => ({
  now: new Date(now),
  bootId,
  uptimeMs: uptimeHours * HOUR,
});

describe('a hold of two hours', () => {
  const begun = beginHold('audit', 2 * HOUR, clock('2026-04-22T10:00Z', 5));
  it.each<[string, Clock, number]>([
    ['at once', clock('2026-04-22T10:00Z', 5), 2],
    ['an hour later', clock('2026-04-22T11:00Z', 6), 1],
    ['two hours later', clock('2026-04-22T12:00Z', 7), 0],
    ['the clock set to 1970 meanwhile', clock('1970-01-01T00:00Z', 6), 1],
    ['the clock set to 2106 meanwhile', clock('2106-01-01T00:00Z', 6), 1],
    ['over, whatever the clock', clock('1970-01-01T00:00Z', 8), -1],
    ['after a restart, by the clock', clock('2026-04-22T11:30Z', 0.1, 'next'), 0.5],
    ['after a night without power', clock('2026-04-23T08:00Z', 0.1, 'next'), -20],
    ['after a restart into 1970, by what ran', clock('1970-01-01T00:10Z', 0.5, 'next'), 1.5],
    ['1970 for good: it ends all the same', clock('1970-01-01T02:00Z', 2, 'next'), 0],
  ])('%s', (_, now, hours) => {
    expect(leftOf(begun, now) / HOUR).toBeCloseTo(hours);
  });

  it('counts on through restarts that know no time', () => {
    let hold = begun;
    for (let boot = 0; boot < 4; boot += 1) {
      const now = clock('1970-01-01T00:30Z', 0.5, `boot ${boot}`);
      expect(leftOf(hold, now) / HOUR).toBeCloseTo(1.5 - boot * 0.5);
      hold = countHold(hold, now);
    }
  });

  it('begun in 2106 ends in 2026', () => {
    const odd = beginHold('x', 2 * HOUR, clock('2106-01-01T00:00Z', 1));
    expect(leftOf(odd, clock('2026-04-22T10:00Z', 2, 'next'))).toBe(0);
  });
});

describe('jitter', () => {
  it('is the same for a node and a release, and spreads over nodes', () => {
    expect(jitterOf('a', 'x', 1000)).toBe(jitterOf('a', 'x', 1000));
    expect(jitterOf('a', 'x', 1000)).not.toBe(jitterOf('a', 'y', 1000));
    expect(jitterOf('a', 'x', 0)).toBe(0);
    const quarters = [0, 0, 0, 0];
    for (let node = 0; node < 4000; node += 1) {
      const quarter = Math.floor(jitterOf(`node-${node}`, 'x', 1000) / 250);
      quarters[quarter] = (quarters[quarter] ?? 0) + 1;
    }
    for (const count of quarters) expect(count).toBeGreaterThan(900);
  });
});

describe('what is on offer', () => {
  const judge = (host: TestHost, wish: Wish = {}, now?: Date): Decline | undefined =>
    now === undefined
      ? judgePace(host, exampleOffer(), wish)
      : judgePace(host, exampleOffer(), wish, { now, bootId: 'x', uptimeMs: 0 });
  const later = (ms: number): Date => new Date(Date.now() + ms);

  it('is taken at once when nothing is configured', () => {
    expect(judge(makeHost())).toBeUndefined();
  });

  it('is not taken while it is held, not even by hand, unless a person says so twice', () => {
    const host = makeHost();
    writeHold(host.paths.hold, beginHold('audit', HOUR, readClock()));
    expect(judge(host)).toMatchObject({ code: 'held', hint: expect.any(String) as string });
    expect(judge(host, { byHand: true })?.code).toBe('held');
    expect(judge(host, { byHand: true, despiteHold: true })).toBeUndefined();
  });

  it('is not taken while nobody can read the hold', () => {
    const host = makeHost();
    writeFileSync(host.paths.hold, '{"schema":1,');
    expect(judge(host)).toMatchObject({
      code: 'held',
      reason: expect.stringContaining('makes no sense') as string,
      hint: expect.stringContaining('unhold') as string,
    });
    expect(keepHold(host)).toHaveProperty('corrupt');
  });

  it('is taken when the hold is over, which is said once', () => {
    const host = makeHost();
    const past = { now: new Date(Date.now() - 2 * HOUR), bootId: 'x', uptimeMs: 0 };
    writeHold(host.paths.hold, beginHold('audit', HOUR, past));
    expect(judge(host)).toBeUndefined();
    expect(keepHold(host)).toBeUndefined();
    expect(keepHold(host)).toBeUndefined();
    expect(host.notes).toStrictEqual([expect.stringMatching(/^the hold since .* is over: audit$/)]);
    expect(host.journal.read()).toMatchObject([{ hold: 'over', reason: 'audit' }]);
    expect(readHold(host.paths.hold, past)).toBeUndefined();
  });

  it('is not counted, nor let go, while somebody is changing it', () => {
    const host = makeHost();
    const { hold } = host.paths;
    const { bootId, uptimeMs } = readClock();
    const past = { now: later(-2 * HOUR), bootId, uptimeMs: uptimeMs - 2 * HOUR };
    for (const hours of [1, 3]) {
      writeHold(hold, beginHold('audit', hours * HOUR, past));
      const before = readFileSync(hold, 'utf8');
      const lock = acquireLock(host.paths.holdLock, 'hold');
      expect(keepHold(host) === undefined, 'what it says holds all the same').toBe(hours === 1);
      expect(readFileSync(hold, 'utf8')).toBe(before);
      lock.release();
      keepHold(host);
      expect(existsSync(hold) && readFileSync(hold, 'utf8')).not.toBe(before);
    }
    expect(host.journal.read()).toMatchObject([{ hold: 'over' }]);
  });

  it('may be begun while another updater clears away what writers left', () => {
    const host = makeHost();
    const left = ['.hold.json.tmp-99', '.state.json.tmp-99'].map((name) =>
      join(dirname(host.paths.hold), name),
    );
    for (const each of left) writeFileSync(each, '');
    removeLeftovers(host);
    expect(left.map((each) => existsSync(each))).toStrictEqual([true, false]);
  });

  it('waits for a window, unless a person asks or what runs was withdrawn', () => {
    const windows = ['[[windows]]', 'from = "02:00"', 'to = "03:00"', 'timezone = "UTC"'].join(
      '\n',
    );
    const host = makeHost({ toml: windows });
    const out = new Date('2026-04-22T12:00:00Z');
    expect(judge(host, {}, out)).toMatchObject({
      code: 'outside-window',
      until: '2026-04-23T02:00:00.000Z',
      reason: expect.stringContaining('in 14 h') as string,
    });
    expect(judge(host, {}, new Date('2026-04-23T02:30:00Z'))).toBeUndefined();
    expect(judge(host, { byHand: true }, out)).toBeUndefined();
  });

  it('waits its turn from the moment it was seen, the same at every look', () => {
    const host = makeHost({ top: 'jitter = "10h"' });
    expect(judge(host), 'nobody wrote down that it was seen').toMatchObject({
      code: 'waiting-jitter',
      reason: expect.stringContaining('at most 10 h') as string,
    });
    keepSight(host, exampleOffer());
    const first = judge(host);
    expect(first?.code).toBe('waiting-jitter');
    keepSight(host, exampleOffer());
    expect(judge(host)?.until).toBe(first?.until);
    expect(Date.parse(first?.until ?? '')).toBeLessThan(Date.now() + 10 * HOUR);
    expect(judge(host, {}, later(10 * HOUR))).toBeUndefined();
    expect(judge(host, { byHand: true })).toBeUndefined();
    expect(host.journal.read()).toHaveLength(1);
    changePace(host.paths.pace, {
      seen: { digest: exampleOffer().deployment.digest, at: '2106-01-01T00:00:00.000Z' },
    });
    const after = Date.parse(judge(host)?.until ?? '');
    expect(after, 'a wrong clock costs one wait').toBeLessThan(Date.now() + 10 * HOUR);
  });

  it('waits when enough were installed within a day', () => {
    const host = makeHost({ top: 'max_per_day = 2' });
    keepInstall(host);
    expect(judge(host)).toBeUndefined();
    keepInstall(host);
    expect(judge(host)).toMatchObject({ code: 'enough-today' });
    expect(judge(host, { byHand: true })).toBeUndefined();
    expect(judge(host, {}, later(25 * HOUR))).toBeUndefined();
    expect(judge(host, {}, new Date('1970-01-01T00:00:00Z'))).toBeUndefined();
    writeFileSync(host.paths.pace, 'x');
    expect(judge(host)).toBeUndefined();
    keepInstall(host);
    expect(readPace(host.paths.pace)?.installs).toHaveLength(1);
  });
});
