/** By which name units start the updater: one that leads to the next one after a handover, where there is one. */
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { programPath } from '../../../updater/units/program.ts';
import { temporaryFolder } from '../../harness/temporary.ts';

const real = fileURLToPath(new URL('../../../updater/bin/updater', import.meta.url));

/** A root, and a folder that is all of PATH. */
function place(): { root: string; bin: string } {
  const before = process.env['PATH'];
  onTestFinished(() => void (process.env['PATH'] = before));
  const [root, bin] = [temporaryFolder(), temporaryFolder()];
  process.env['PATH'] = bin;
  return { root, bin };
}

describe('units start', () => {
  it('the name on PATH, through which the link in root is followed', () => {
    const { root, bin } = place();
    symlinkSync(real, join(root, 'updater'));
    symlinkSync(join(root, 'updater'), join(bin, 'updater'));
    expect(programPath(root)).toBe(join(bin, 'updater'));
  });

  it('the link in root where PATH has no name for it, as under sudo', () => {
    const { root } = place();
    symlinkSync(real, join(root, 'updater'));
    expect(programPath(root)).toBe(join(root, 'updater'));
  });

  it('the file itself where no name leads to it', () => {
    const { root, bin } = place();
    for (const folder of [root, bin]) symlinkSync('/bin/true', join(folder, 'updater'));
    expect(programPath(root)).toBe(real);
  });
});
