/** Temporary folders: what a killed run left goes with the next one, and nobody else's is touched. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withScratchFolder } from '@landfall/mirrors';
import { expect, it, vi } from 'vitest';
import { temporaryFolder } from '../harness/temporary.ts';

const source = JSON.stringify(join(import.meta.dirname, '../../mirrors/scratch.ts'));

it('is empty, and gone afterwards, with what runs that were killed left', async () => {
  const TMPDIR = temporaryFolder();
  vi.stubEnv('TMPDIR', TMPDIR);
  const killed = `import { writeFileSync } from 'node:fs';
    import { withScratchFolder } from ${source};
    await withScratchFolder('test', async (path) => {
      writeFileSync(path + '/large', 'x');
      process.kill(process.pid, 'SIGKILL');
    });`;
  for (let time = 0; time < 2; time += 1) {
    spawnSync(process.execPath, ['--input-type=module', '-e', killed], { env: { TMPDIR } });
  }
  expect(readdirSync(TMPDIR)).toHaveLength(1);
  // What others can write to, and what another container may be using.
  const { ino } = statSync('/proc/self/ns/pid');
  const others = [`landfall-test-${ino}-foreign`, `landfall-test-${ino + 1}-theirs`];
  mkdirSync(join(TMPDIR, others[0] ?? ''), { mode: 0o755 });
  mkdirSync(join(TMPDIR, others[1] ?? ''), { mode: 0o700 });
  const inside = await withScratchFolder('test', async (path) => {
    const [other, before] = [
      await withScratchFolder('test', async (each) => each),
      readdirSync(path),
    ];
    writeFileSync(join(path, 'file'), 'x');
    return { path, other, before };
  });
  expect(inside.before).toStrictEqual([]);
  expect(inside.other).not.toBe(inside.path);
  expect(existsSync(inside.path)).toBe(false);
  expect(readdirSync(TMPDIR)).toStrictEqual(others);
  vi.unstubAllEnvs();
});
