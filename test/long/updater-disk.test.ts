/** A node whose disk is full, or whose umask is odd, at the worst moment. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { cleanEnvironment, launcherOf } from '../harness/command.ts';
import type { TestNode } from '../harness/node.ts';
import { makeWorld, type World } from '../harness/world.ts';

/** A node that runs 1.0.0, with its state on a file system of its own, and 1.1.0 published. */
async function onSmallState(): Promise<World & { fill: () => void; free: () => void }> {
  const world = await makeWorld();
  const { node, ship, folder } = world;
  const small = join(folder, 'small');
  mkdirSync(small);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', small]);
  onTestFinished(() => void execFileSync('umount', [small]));
  const state = join(small, 'state');
  writeFileSync(node.config, readFileSync(node.config, 'utf8').replace(node.state, state));
  Object.assign(node, { state });
  await ship('1.0.0');
  const installed = await node.updater(['apply']);
  expect(installed, installed.stderr).toMatchObject({ code: 0 });
  await ship('1.1.0');
  const filler = join(small, 'filler');
  return {
    ...world,
    fill: () =>
      void spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4k'], { stdio: 'ignore' }),
    free: () => rmSync(filler, { force: true }),
  };
}

describe('a disk that is full', () => {
  it('before anything is changed: nothing is changed, and it is said in words', async () => {
    const { node, fill, free } = await onSmallState();
    fill();
    const outcome = await node.updater(['apply']);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(/no space|not enough space/);
    expect(node.page()).toContain('version 1.0.0');
    free();
    expect((await node.updater(['apply'])).code).toBe(0);
    expect(node.page()).toContain('version 1.1.0');
  });

  it('when the marker is to be written: the update is abandoned, and the release is not to blame', async () => {
    const { node, fill, free } = await onSmallState();
    // The baseline is the last thing before staging, which needs space too: fill it while that runs.
    node.web.fault = () => {
      fill();
      return undefined;
    };
    const outcome = await node.updater(['apply']);
    node.web.fault = () => undefined;
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain('no space left on the device');
    expect(node.page()).toContain('version 1.0.0');
    free();
    expect(node.quarantined()).toStrictEqual([]);
    expect((await node.updater(['once'])).code).toBe(0);
    expect(node.page()).toContain('version 1.1.0');
  });

  it('after the switch to a release that does not work: it is left all the same', async () => {
    const { node, fill, free } = await onSmallState();
    let full = false;
    node.web.fault = ({ target }) => {
      if (!target.includes('/1.1.0-')) return undefined;
      if (!full) fill();
      full = true;
      return { status: 500 };
    };
    const outcome = await node.updater(['apply']);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain('going on without it');
    expect(node.page(), 'visitors have the old page again').toContain('version 1.0.0');
    expect(node.hasMarker(), 'what could not be written down is still to be done').toBe(true);
    free();
    expect((await node.updater(['verify'])).code).toBe(1);
    expect(node.hasMarker()).toBe(false);
    expect(node.page()).toContain('version 1.0.0');
    // Nobody could write down whose fault it was: it gets one more try, later or when a person asks.
    expect((await node.updater(['once'])).stdout).toContain('1.1.0 is tried again at');
    expect((await node.updater(['apply'])).code).toBe(1);
    expect(node.quarantined()).toStrictEqual(['1.1.0']);
    expect((await node.updater(['once'])).code).toBe(3);
    expect(node.page()).toContain('version 1.0.0');
  });

  it('until a release that does not work is left: what ran before gets its time to come up', async () => {
    const { node, fill, free } = await onSmallState();
    let full = false;
    let left: number | undefined;
    node.web.fault = ({ target }) => {
      if (target.includes('/1.1.0-')) {
        if (!full) fill();
        full = true;
        return { status: 500 };
      }
      if (!full) return undefined;
      free();
      left ??= performance.now();
      return performance.now() - left < 1000 ? { status: 503 } : undefined;
    };
    const outcome = await node.updater(['apply']);
    expect(outcome.stderr).toContain('going on without it');
    expect(outcome.code).toBe(1);
    expect(node.page()).toContain('version 1.0.0');
    expect(node.stateName()).toBe('rolled-back');
    expect(node.quarantined()).toStrictEqual(['1.1.0']);
  });

  it('after the switch to a release that works: the release is not to blame', async () => {
    const { node, fill, free } = await onSmallState();
    let full = false;
    node.web.fault = ({ target }) => {
      if (target.includes('/1.1.0-') && !full) fill();
      full ||= target.includes('/1.1.0-');
      return undefined;
    };
    const outcome = await node.updater(['apply']);
    expect(outcome.code).toBe(1);
    expect(node.page()).toMatch(/version 1\.[01]\.0/);
    free();
    await node.updater(['verify']);
    expect(node.hasMarker()).toBe(false);
    expect(node.quarantined()).toStrictEqual([]);
    await node.updater(['once']);
    expect(node.page()).toContain('version 1.1.0');
  });
});

describe('an odd umask', () => {
  const modes = (node: TestNode, path: string): string =>
    (statSync(join(node.root, path)).mode & 0o7777).toString(8);

  it.each(['077', '000', '027'])('%s changes no mode of a release', async (umask) => {
    const { node, ship } = await makeWorld({ top: ['probation = "0s"', 'web_user = "nobody"'] });
    const { deploymentId } = await ship('1.0.0');
    // Asynchronous, so that this process can answer the probes.
    const { promise, resolve } = Promise.withResolvers<number | null>();
    const command = `umask ${umask}; exec "$0" apply --config "$1"`;
    spawn('sh', ['-c', command, launcherOf('updater'), node.config], {
      env: cleanEnvironment(),
      stdio: 'ignore',
    }).once('exit', resolve);
    expect(await promise).toBe(0);
    const deployment = `deployments/${deploymentId}`;
    expect(modes(node, 'deployments')).toBe('755');
    expect(modes(node, deployment)).toBe('755');
    expect(modes(node, `${deployment}/web-ui`)).toBe('755');
    expect(modes(node, `${deployment}/web-ui/assets/icons`)).toBe('755');
    expect(modes(node, `${deployment}/web-ui/index.html`)).toBe('644');
    for (const name of readdirSync(node.state).filter((each) => each.endsWith('.json'))) {
      expect(statSync(join(node.state, name)).mode & 0o777, name).toBe(0o600);
    }
  });
});
