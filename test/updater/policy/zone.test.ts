/** Clocks that jump by an hour, by half of one and by a whole day, and zones that there are not. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Zone } from '../../../updater/policy/zone.ts';

const ZONES = [
  'UTC',
  'local',
  'Europe/Berlin',
  'America/New_York',
  'America/St_Johns',
  'Asia/Kathmandu',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'Pacific/Kiritimati',
  '+05:30',
];
const [FIRST, LAST] = [Date.UTC(1990, 0), Date.UTC(2090, 0)].map((ms) => ms / 1000) as [
  number,
  number,
];

it('finds the instant at which clocks show what they show, the first if there are two', () => {
  const second = fc.integer({ min: FIRST, max: LAST });
  fc.assert(
    fc.property(fc.constantFrom(...ZONES), second, (name, at) => {
      const zone = new Zone(name);
      const clock = zone.clockAt(at * 1000);
      const found = zone.instantOf(clock);
      expect(zone.clockAt(found)).toBe(clock);
      expect(found).toBeLessThanOrEqual(at * 1000);
      // None is set back by more than three hours.
      expect(found).toBeGreaterThan((at - 3 * 3600) * 1000);
    }),
    { numRuns: 2000 },
  );
});

describe('what clocks leave out is when they jump', () => {
  it.each([
    ['an hour', 'Europe/Berlin', '2026-03-29T02:30', '2026-03-29T01:00'],
    ['the first of it', 'Europe/Berlin', '2026-03-29T02:00', '2026-03-29T01:00'],
    ['the last of it', 'Europe/Berlin', '2026-03-29T02:59:59', '2026-03-29T01:00'],
    ['in the west', 'America/New_York', '2026-03-08T02:10', '2026-03-08T07:00'],
    ['half an hour', 'Australia/Lord_Howe', '2026-10-04T02:15', '2026-10-03T15:30'],
    ['a whole day', 'Pacific/Apia', '2011-12-30T12:00', '2011-12-30T10:00'],
  ])('%s', (_, name, clock, expected) => {
    const found = new Zone(name).instantOf(Date.parse(`${clock}Z`));
    expect(new Date(found).toISOString()).toBe(new Date(`${expected}Z`).toISOString());
  });
});

it.each(['', 'Europe/Nowhere', 'local time', '+99:00'])('there is none called %j', (name) => {
  expect(() => new Zone(name)).toThrow(RangeError);
});
