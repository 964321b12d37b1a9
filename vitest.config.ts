import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Begins with the files that take longest, however small they are: their end is waited for. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- a sequencer's, which returns a new list
    const usual = await super.sort(files);
    return [...usual.filter(isWalk), ...usual.filter((file) => !isWalk(file))];
  }
}

function isWalk({ moduleId }: TestSpecification): boolean {
  return /updater-(?:errors|stops)/.test(moduleId);
}

/**
 * Three projects, by what a test costs: `unit` runs in milliseconds, `scenario`
 * needs real programs (git, nginx, minisign) or several processes, `chaos`
 * kills things. `npm test` runs these, within ten minutes. `long` is what does not
 * fit into them: `npm run test:chaos` runs it, with every crash point of `chaos`.
 */
export default defineConfig({
  test: {
    reporters: ['default'],
    pool: 'forks',
    globalSetup: 'test/harness/launchers.ts',
    // Most tests wait for processes, servers and clocks rather than for a core.
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/{packages,mirrors,release,scripts,updater}/**/*.test.ts'],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'scenario',
          include: ['test/scenarios/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'chaos',
          include: ['test/chaos/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'long',
          include: ['test/long/**/*.test.ts'],
          testTimeout: 600_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
