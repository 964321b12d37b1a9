/** What is loaded before V8 is told to be frugal, after which loading takes longer. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const FRUGAL = JSON.stringify(join(import.meta.dirname, '../../updater/frugal.ts'));

/** Node's modules that are loaded in a fresh process after `beFrugal(ARGS)`. */
function loadedAfter(args: string): string[] {
  const script = `import { beFrugal } from ${FRUGAL}; beFrugal(${args}); console.log(JSON.stringify(process.moduleLoadList))`;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script]);
  return JSON.parse(output.toString()) as string[];
}

it('loads what an update comes to use, and nothing where that is not asked for', () => {
  const later = ['child_process', 'http', 'sea', 'worker_threads', 'zlib'];
  const names = later.map((name) => `NativeModule ${name}`);
  expect(loadedAfter('')).toEqual(expect.arrayContaining(names));
  const few = loadedAfter('[]');
  expect(names.filter((each) => few.includes(each))).not.toContain('NativeModule http');
});
