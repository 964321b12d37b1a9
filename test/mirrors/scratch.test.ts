/** Temporary folders: what a killed run left goes with the next one, and nobody else's is touched. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
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
  mkdirSync(join(TMPDIR, 'landfall-test-foreign'), { mode: 0o755 });
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
  expect(readdirSync(TMPDIR)).toStrictEqual(['landfall-test-foreign']);
  vi.unstubAllEnvs();
});
