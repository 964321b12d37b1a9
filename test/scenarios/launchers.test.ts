/**
 * The launchers of the checkout, which people start: they run the sources as
 * they are, from any folder. Other tests start bundles of the same sources.
 */
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
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

  it.each([
    ['v20.19.0', 'v20.19.0'],
    ['v24.21.0', 'v24.21.0'],
    ['v25.9.0', 'v25.9.0'],
    ['v26.9.0', 'v26.9.0'],
    ['', 'none'],
  ])('refuse a Node that reads wrong, where npm brought none: %s', async (version, told) => {
    const { house, launcher, env } = houseWith(version);
    const { code, stderr } = await runCommand('updater', ['--version'], { launcher, env });
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: `error: expected Node 24.22, or 26.10 or later, found ${told}; run 'npm ci' in ${house}\n`,
    });
  });

  it.each(['v24.22.0', 'v26.10.0', 'v27.0.0'])('take another: %s', async (version) => {
    const { launcher, env } = houseWith(version);
    const { code, stdout, stderr } = await runCommand('updater', ['--version'], { launcher, env });
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'it runs\n', stderr: '' });
  });
});

/** A checkout without what npm brings, on a machine with a Node that says it is `version`; '': without any. */
function houseWith(version: string): { house: string; launcher: string; env: { PATH: string } } {
  const house = temporaryFolder();
  const launcher = join(house, 'updater/bin/updater');
  mkdirSync(join(launcher, '..'), { recursive: true });
  copyFileSync(checkoutLauncherOf('updater'), launcher);
  const tools = join(house, 'tools');
  mkdirSync(tools);
  for (const tool of ['dirname', 'readlink', 'echo', 'sed']) {
    symlinkSync(`/usr/bin/${tool}`, join(tools, tool));
  }
  // Says what the real one would, had it that version.
  const script = `#!/bin/sh
  [ "$1" != -v ] || exec echo '${version}'
  [ "$1" = -p ] || exec echo 'it runs'
  exec '${process.execPath}' -p "$(echo "$2" | sed "s/process.versions.node/'${version.slice(1)}'/")"
  `;
  if (version !== '') writeFileSync(join(tools, 'node'), script, { mode: 0o755 });
  return { house, launcher, env: { PATH: tools } };
}
