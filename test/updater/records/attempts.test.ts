/** Waits that grow, on clocks that are set as they are set in the field. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Deployment } from '../../../updater/facts.ts';
import {
  findAttempt,
  readAttempts,
  waitLeft,
  withFailure,
  withoutAttempt,
  writeAttempts,
  type Attempt,
} from '../../../updater/records/attempts-file.ts';
import type { Clock } from '../../../updater/records/clock.ts';
import { temporaryFolder } from '../../harness/temporary.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const clock = (year: string, uptimeMs: number, bootId = 'first'): Clock => ({
  now: new Date(`${year}-04-22T19:00:00Z`),
  uptimeMs,
  bootId,
});
const NOW = clock('2026', HOUR);
const release = (digit: string): Deployment => ({
  id: `1.0.0-${digit.repeat(12)}`,
  version: '1.0.0',
  digest: digit.repeat(64),
  sequence: 1,
});
const A = release('a');

function failTimes(times: number, of: Attempt['of'] = 'install', at = NOW): Attempt {
  let attempts: Attempt[] = [];
  for (let n = 1; n <= times; n += 1) attempts = withFailure(attempts, of, A, `try ${n}`, at);
  const found = findAttempt(attempts, of, A);
  if (found === undefined) throw new Error('not written down');
  return found;
}

describe('a wait', () => {
  it.each([
    ['install', 1, MINUTE],
    ['install', 2, 2 * MINUTE],
    ['install', 9, 256 * MINUTE],
    ['install', 10, 6 * HOUR],
    ['install', 5000, 6 * HOUR],
    ['probe', 1, MINUTE / 2],
    ['probe', 6, 15 * MINUTE],
  ] as const)('to %s after %i failures', (of, times, wait) => {
    const attempt = failTimes(times, of);
    expect(attempt).toMatchObject({ count: times, wait, reason: `try ${times}` });
    expect(waitLeft(attempt, NOW)).toBe(wait);
    expect(Date.parse(attempt.until) - Date.parse(attempt.at)).toBe(wait);
  });

  it.each([
    // at the failure, later, minutes left of four
    ['time passes', NOW, clock('2026', HOUR + MINUTE), 3],
    ['it is over', NOW, clock('2026', HOUR + 5 * MINUTE), 0],
    ['the clock is set back to 1970', NOW, clock('1970', HOUR + MINUTE), 3],
    ['the clock is set to 2106', NOW, clock('2106', HOUR + MINUTE), 3],
    ['the clock had been in 2106', clock('2106', HOUR), clock('2026', HOUR + MINUTE), 3],
    [
      'after a boot, sane',
      NOW,
      { ...clock('2026', 0, 'next'), now: new Date(NOW.now.getTime() + MINUTE) },
      3,
    ],
    ['after a boot into 1970', NOW, clock('1970', MINUTE, 'next'), 3],
    ['after a boot into 1970, later', NOW, clock('1970', 5 * MINUTE, 'next'), 0],
    ['after a boot into 2106', NOW, clock('2106', MINUTE, 'next'), 0],
    ['after a boot out of 2106', clock('2106', HOUR), clock('2026', MINUTE, 'next'), 3],
    ['after a boot out of 1970', clock('1970', HOUR), clock('2026', MINUTE, 'next'), 0],
  ])('when %s', (_, before, later, minutes) => {
    expect(waitLeft(failTimes(3, 'install', before), later)).toBe(minutes * MINUTE);
  });
});

describe('attempts', () => {
  it('are known by their bytes and by what was tried, and forgotten one by one', () => {
    let attempts = withFailure([], 'install', A, 'x', NOW);
    attempts = withFailure(attempts, 'probe', A, 'x', NOW);
    expect(findAttempt(attempts, 'install', release('b'))).toBeUndefined();
    expect(withoutAttempt(attempts, 'install', A)).toMatchObject([{ of: 'probe' }]);
    for (let n = 0; n < 100; n += 1) {
      const other = { ...A, digest: String(n).padStart(64, '0') };
      attempts = withFailure(attempts, 'install', other, 'x', NOW);
    }
    expect(attempts).toHaveLength(20);
  });

  it('survive a restart; a file that makes no sense only makes the next one come early', () => {
    const file = join(temporaryFolder(), 'attempts.json');
    expect(readAttempts(file)).toStrictEqual([]);
    writeAttempts(file, [failTimes(2)]);
    expect(readAttempts(file)).toStrictEqual([failTimes(2)]);
    writeFileSync(file, '{"schema":1,"attempts":[{');
    expect(readAttempts(file)).toStrictEqual([]);
  });
});
