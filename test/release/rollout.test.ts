/** `--steps`, from what a person writes to what is signed. */
import { describe, expect, it } from 'vitest';
import { goesOutIn, readSteps, resolveSteps } from '../../release/rollout.ts';
import { errorOf } from '../harness/errors.ts';
import { exampleManifest } from '../harness/manifests.ts';

const PUBLISHED = new Date('2026-04-22T19:00:00Z');
const resolve = (text: string): object[] => resolveSteps(readSteps(text), PUBLISHED);

describe('--steps', () => {
  it('are times from the publication on, or times', () => {
    expect(resolve('10@now,50@+24h, 99.5@+72h')).toEqual([
      { percent: 10, at: '2026-04-22T19:00:00Z' },
      { percent: 50, at: '2026-04-23T19:00:00Z' },
      { percent: 99.5, at: '2026-04-25T19:00:00Z' },
    ]);
    expect(resolve('0@2030-01-01T00:00:00.500Z')).toEqual([
      { percent: 0, at: '2030-01-01T00:00:00Z' },
    ]);
    expect(resolve('all')).toEqual([]);
  });

  it.each([
    '',
    '10',
    '10@',
    '@now',
    '101@now',
    '-1@now',
    '1e1@now',
    '10@tomorrow',
    '10@2026-04-22',
    '10@2026-04-22T19:00:00',
    '10@2026-11-31T10:00:00Z',
    '10@+1y',
    '10@+9999999d',
    '50@now,10@+1h',
    '10@+1h,50@now',
    '10@now,10@+1h',
    '10@now,',
    'all,100@now',
  ])('%j is refused with an example', async (text) => {
    const error = await errorOf(() => readSteps(text));
    expect(error).toMatchObject({
      code: 'USAGE',
      exit: 2,
      message: expect.stringMatching(/^--steps: /) as string,
      hint: 'for example: --steps 10@now,50@+24h,100@+72h',
    });
  });

  it('are known again in what was signed with them, and in nothing else', () => {
    const steps = readSteps('10@now,50@+24h');
    const rollout = { steps: resolveSteps(steps, PUBLISHED) };
    expect(goesOutIn({ ...exampleManifest(), rollout }, steps)).toBe(true);
    expect(goesOutIn({ ...exampleManifest(), rollout }, readSteps('10@now,50@+1h'))).toBe(false);
    expect(goesOutIn({ ...exampleManifest(), rollout }, readSteps('all'))).toBe(false);
  });
});
