/**
 * `release ship` to servers that fail request by request, killed and run
 * again. `ship-faults-process.ts` does the same for many more seeds.
 */
import { expect, it } from 'vitest';
import { visited } from '../harness/chaos.ts';
import { shipUnderFaults } from '../harness/ship-under-faults.ts';

it.each(visited('seeds of faults', [1, 2, 3, 4, 5, 6], 2))(
  'is finished on all mirrors, whatever goes wrong on the way (seed %d)',
  async (seed) => {
    const run = await shipUnderFaults(seed);
    expect(run.problems).toEqual([]);
    expect(run.indexes).toBeGreaterThanOrEqual(3);
    expect(run.looks).toBeGreaterThan(10);
  },
);
