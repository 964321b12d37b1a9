/** What a process that must stay small still does with Node's compiled code. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const ARCHIVE = join(import.meta.dirname, '../../../packages/archive');
const IMPORTS = `
  import { beFrugal } from ${JSON.stringify(join(ARCHIVE, 'frugal.ts'))};
  import { startThread } from ${JSON.stringify(join(ARCHIVE, 'thread.ts'))};
`;

/** What a fresh process tells that runs `script`. */
function run(script: string): unknown {
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', IMPORTS + script]);
  return JSON.parse(output.toString());
}

it('loads what an update comes to use, and nothing where that is not asked for', () => {
  const loadedAfter = (args: string): unknown =>
    run(`beFrugal(${args}); console.log(JSON.stringify(process.moduleLoadList))`);
  const names = ['child_process', 'http', 'sea', 'zlib'].map((name) => `NativeModule ${name}`);
  expect(loadedAfter('')).toEqual(expect.arrayContaining(names));
  expect(loadedAfter('[]')).not.toContain('NativeModule http');
});

it('has threads start as usual: with compiled code, which V8 refuses before and after', () => {
  const told = run(`
    import { Script } from 'node:vm';
    // Of one length each, which is what V8 tells them by, and none that it has compiled by itself.
    let answer = 10;
    const next = () => 'globalThis.answer = () => ' + (answer += 1);
    const cachedData = new Script(next()).createCachedData();
    const isRefused = () => new Script(next(), { cachedData }).cachedDataRejected;
    const told = [isRefused()];
    beFrugal([]);
    told.push(isRefused());
    const thread = startThread('');
    told.push(isRefused());
    thread.once('exit', () => {
      told.push(isRefused());
      console.log(JSON.stringify(told));
    });
  `);
  expect(told).toEqual([false, true, false, true]);
});
