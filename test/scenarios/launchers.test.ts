/**
 * The launchers of the checkout, which people start: they run the sources as
 * they are, from any folder. Other tests start bundles of the same sources.
 */
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkoutLauncherOf, launcherOf, runCommand } from '../harness/command.ts';
import { useProject } from '../harness/project.ts';
import { temporaryFolder } from '../harness/temporary.ts';
import { makeWorld } from '../harness/world.ts';

describe('the launchers of the checkout', () => {
  it('print the same help as the bundles that tests start', async () => {
    for (const program of ['release', 'mirrors', 'updater'] as const) {
      const launcher = checkoutLauncherOf(program);
      expect(launcherOf(program)).not.toBe(launcher);
      const real = await runCommand(program, ['--help'], { launcher });
      expect(real.stdout).toContain(`usage: ${program} COMMAND`);
      expect(await runCommand(program, ['--help'])).toEqual(real);
    }
  });

  it('ship a release, by a link on the path, and a node takes it', async () => {
    const bin = temporaryFolder();
    for (const program of ['release', 'updater'] as const) {
      symlinkSync(checkoutLauncherOf(program), join(bin, program));
    }
    const site = await useProject();
    const launcher = join(bin, 'release');
    const shipped = await site.release(['ship'], { launcher });
    expect(shipped.code, shipped.stderr).toBe(0);

    const { ship, node } = await makeWorld();
    await ship('1.0.0');
    const taken = await node.updater(['apply'], { launcher: join(bin, 'updater') });
    expect(taken.code, taken.stderr).toBe(0);
    expect(node.page()).toContain('1.0.0');
  });
});
