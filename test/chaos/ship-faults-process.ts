/**
 * Many seeded runs of `release ship` under faults and kills, to be started by
 * hand or by CI: `node test/chaos/ship-faults-process.ts [RUNS] [FIRST SEED]
 * [AT ONCE]`; 200, 1 and 3 unless told. Exit code 1 when a run failed; a seed
 * that failed can be run again alone. LANDFALL_TEST_REPORT=FILE also writes how
 * many passed and failed there, in the form of the test runner's reports.
 */
import { writeFileSync } from 'node:fs';
import { describeCounts, type FaultRun, shipUnderFaults } from '../harness/ship-under-faults.ts';

const [runs = 200, first = 1, atOnce = 3] = process.argv.slice(2).map(Number);
const finished: FaultRun[] = [];
let next = first;

function write(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function work(): Promise<void> {
  while (next < first + runs) {
    const seed = next;
    next += 1;
    const run = await shipUnderFaults(seed);
    finished.push(run);
    const faults = [...run.faults.values()].reduce((sum, count) => sum + count, 0);
    const end = run.problems.length === 0 ? 'complete' : `FAILED: ${run.problems.join('; ')}`;
    write(`seed ${seed}: ${run.ships} ships, ${run.kills} kills, ${faults} faults: ${end}`);
  }
}

const started = performance.now();
await Promise.all(Array.from({ length: atOnce }, work));
const total = (of: (run: FaultRun) => number): number =>
  finished.reduce((sum, run) => sum + of(run), 0);
const faults = new Map<string, number>();
for (const run of finished) {
  for (const [kind, count] of run.faults) faults.set(kind, (faults.get(kind) ?? 0) + count);
}
const failed = finished.filter(({ problems }) => problems.length > 0);
write(
  `${finished.length} runs, ${total(({ ships }) => ships)} ships, ${total(({ kills }) => kills)} kills, ` +
    `${[...faults.values()].reduce((sum, count) => sum + count, 0)} faults (${describeCounts(faults)}), ` +
    `${total(({ looks }) => looks)} looks, ${total(({ indexes }) => indexes)} with an index, ` +
    `${Math.round((performance.now() - started) / 1000)} s`,
);
write(failed.length === 0 ? 'all complete' : `${failed.length} failed`);
if (failed.length > 0) process.exitCode = 1;
const report = process.env['LANDFALL_TEST_REPORT'];
if (report !== undefined) {
  const counts = {
    numPassedTests: finished.length - failed.length,
    numFailedTests: failed.length,
    numPendingTests: runs - finished.length,
    numTodoTests: 0,
  };
  writeFileSync(report, `${JSON.stringify(counts)}\n`);
}
