/** Maintenance windows against clocks that jump, weeks that turn, and years that cannot be. */
import { describe, expect, it } from 'vitest';
import { DAYS, judgeWindows, type Window } from '../../../updater/policy/windows.ts';

const window = (
  from: string,
  to: string,
  timezone = 'UTC',
  days: Window['days'] = DAYS,
): Window => ({
  days,
  from,
  to,
  timezone,
});
const BERLIN = 'Europe/Berlin';

function judge(windows: Window[], now: string): string {
  const state = judgeWindows(windows, new Date(now));
  const time = (date: Date | undefined): string =>
    date === undefined ? 'never' : date.toISOString().replace(':00.000Z', 'Z');
  return state.open ? `closes ${time(state.closes)}` : `opens ${time(state.opens)}`;
}

describe('a window', () => {
  it.each<[string, Window, string, string]>([
    // 2026-04-22 is a Wednesday.
    ['before', window('02:00', '05:00'), '2026-04-22T01:59:59.999Z', 'opens 2026-04-22T02:00Z'],
    ['at its beginning', window('02:00', '05:00'), '2026-04-22T02:00Z', 'closes 2026-04-22T05:00Z'],
    ['at its end', window('02:00', '05:00'), '2026-04-22T05:00Z', 'opens 2026-04-23T02:00Z'],
    ['a whole day', window('00:00', '24:00'), '2026-04-22T23:59Z', 'closes 2026-04-23T00:00Z'],
    ['until midnight', window('22:00', '00:00'), '2026-04-22T23:00Z', 'closes 2026-04-23T00:00Z'],
    [
      'over midnight, before it',
      window('22:00', '03:00'),
      '2026-04-22T23:00Z',
      'closes 2026-04-23T03:00Z',
    ],
    [
      'over midnight, after it',
      window('22:00', '03:00'),
      '2026-04-22T02:00Z',
      'closes 2026-04-22T03:00Z',
    ],
    [
      'belongs to the day it begins on',
      window('22:00', '03:00', 'UTC', ['sat']),
      '2026-04-26T02:00Z',
      'closes 2026-04-26T03:00Z',
    ],
    [
      'not to the day it ends on',
      window('22:00', '03:00', 'UTC', ['sat']),
      '2026-04-25T02:00Z',
      'opens 2026-04-25T22:00Z',
    ],
    [
      'on other days',
      window('02:00', '05:00', 'UTC', ['sat', 'sun']),
      '2026-04-22T03:00Z',
      'opens 2026-04-25T02:00Z',
    ],
    [
      'a week later',
      window('02:00', '05:00', 'UTC', ['wed']),
      '2026-04-22T06:00Z',
      'opens 2026-04-29T02:00Z',
    ],
    [
      'in summer time',
      window('02:00', '05:00', BERLIN),
      '2026-04-22T00:00Z',
      'closes 2026-04-22T03:00Z',
    ],
    [
      'in winter time',
      window('02:00', '05:00', BERLIN),
      '2026-01-22T00:00Z',
      'opens 2026-01-22T01:00Z',
    ],
    [
      'the other side of the date line: a day ahead',
      window('02:00', '05:00', 'Pacific/Kiritimati', ['thu']),
      '2026-04-22T12:30Z',
      'closes 2026-04-22T15:00Z',
    ],
    // 2026-03-29: 02:00 becomes 03:00 in Berlin, at 01:00Z.
    [
      'whose beginning is left out begins when the clock jumps',
      window('02:30', '05:00', BERLIN),
      '2026-03-29T00:59Z',
      'opens 2026-03-29T01:00Z',
    ],
    [
      'whose end is left out ends when the clock jumps',
      window('01:00', '02:30', BERLIN),
      '2026-03-29T00:30Z',
      'closes 2026-03-29T01:00Z',
    ],
    [
      'that is left out whole does not open that day',
      window('02:00', '03:00', BERLIN, ['sun']),
      '2026-03-29T00:30Z',
      'opens 2026-04-05T00:00Z',
    ],
    // 2026-10-25: 03:00 becomes 02:00 in Berlin, at 01:00Z.
    [
      'that happens twice opens at the first time',
      window('02:00', '03:00', BERLIN),
      '2026-10-25T00:00Z',
      'closes 2026-10-25T02:00Z',
    ],
    [
      'whose end happens twice ends at the first time',
      window('01:00', '02:30', BERLIN),
      '2026-10-25T00:29Z',
      'closes 2026-10-25T00:30Z',
    ],
    ['in 1970', window('02:00', '05:00'), '1970-01-01T00:00Z', 'opens 1970-01-01T02:00Z'],
    ['in 2106', window('02:00', '05:00'), '2106-02-07T06:28Z', 'opens 2106-02-08T02:00Z'],
  ])('%s', (_, each, now, expected) => {
    expect(judge([each], now)).toBe(expected);
  });

  it('among several: the next one, and the one that closes last', () => {
    const windows = [
      window('02:00', '05:00'),
      window('04:00', '06:00', 'UTC', ['wed']),
      window('20:00', '21:00', 'America/New_York', ['tue']),
    ];
    expect(judge(windows, '2026-04-22T01:00Z')).toBe('opens 2026-04-22T02:00Z');
    expect(judge(windows, '2026-04-22T04:30Z')).toBe('closes 2026-04-22T06:00Z');
    expect(judge(windows, '2026-04-22T00:30Z')).toBe('closes 2026-04-22T01:00Z');
    expect(judge(windows, '2026-04-23T04:30Z')).toBe('closes 2026-04-23T05:00Z');
  });

  it('agrees with the clock on the wall, every half hour through both changes', () => {
    const each = window('22:30', '04:00', BERLIN, ['sat']);
    const onTheWall = new Intl.DateTimeFormat('en-GB', {
      timeZone: BERLIN,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
    });
    for (const day of ['2026-03-28', '2026-10-24', '2026-06-06']) {
      for (let step = 0; step < 96; step += 1) {
        const now = new Date(Date.parse(`${day}T00:00Z`) + step * 1_800_000);
        const wall = onTheWall.format(now);
        const time = wall.slice(-5);
        const isIn =
          (wall.startsWith('Sat') && time >= '22:30') || (wall.startsWith('Sun') && time < '04:00');
        expect(judgeWindows([each], now).open, wall).toBe(isIn);
      }
    }
  });
});
