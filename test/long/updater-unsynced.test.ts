/**
 * The crash matrix can fail: with every fsync of the updater taken away (strace
 * answers in the kernel's place) the same walk must find torn files, releases
 * that are not whole, and an update that was done and is not.
 */
import { expect, it } from 'vitest';
import { STORIES } from '../harness/crash-stories.ts';
import { judgeStops } from '../harness/crash-verdict.ts';
import { walkStops } from '../harness/crash-walk.ts';
import { makeCrashWorld } from '../harness/crash-world.ts';

const NO_FSYNC = ['-e', 'inject=fsync,fdatasync:retval=0:signal=SIGSTOP'];

it('finds what is torn when nothing is synced', async () => {
  const story = STORIES.find(({ name }) => name === 'an update');
  if (story === undefined) throw new Error('the story is gone');
  const world = await makeCrashWorld(story);
  const found: string[] = [];
  for (const fault of ['power', 'power-journal'] as const) {
    const walk = await walkStops(world, fault, new Map(), { strace: NO_FSYNC });
    expect(walk.code, walk.stderr).toBe(0);
    const problems = judgeStops(world, walk.stops);
    console.log(
      `without fsync, ${fault}: ${problems.length} bad outcomes, the first of each kind:`,
    );
    const kinds = Map.groupBy(problems, (problem) => problem.replace(/^.*?: /, '').slice(0, 20));
    for (const [first] of kinds.values()) console.log(`  ${first?.replaceAll(world.folder, '')}`);
    found.push(...problems);
  }
  const text = found.join('\n');
  expect(text).toContain('is torn');
  expect(text).toMatch(/not whole|cannot be read/);
  expect(text).toContain('when all was done: 1.0.0 runs');
});
