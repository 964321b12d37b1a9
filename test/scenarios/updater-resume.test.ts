/**
 * What a start does with what an earlier one left: markers of every phase, a
 * damaged deployment, files that make no sense, and another updater at work.
 */
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startCommand } from '../harness/command.ts';
import type { NodeOptions, TestNode } from '../harness/node.ts';
import { makeWorld, type World } from '../harness/world.ts';

/** A node that runs 1.0.0, with 1.1.0 published. */
async function readyForUpdate(options: Partial<NodeOptions> = {}): Promise<World> {
  const world = await makeWorld(options);
  await world.ship('1.0.0');
  await world.node.updater(['apply']);
  await world.ship('1.1.0');
  return world;
}

/** Runs a command that dies at `point`. */
async function die(node: TestNode, args: string[], point: string): Promise<void> {
  const outcome = await node.updater(args, { env: { LANDFALL_CRASH_AT: point } });
  expect(outcome.signal, `${args.join(' ')} at ${point}: ${outcome.stderr}`).toBe('SIGKILL');
}

function marker(node: TestNode): Record<string, unknown> | undefined {
  return node.read('pending-verification.json') as Record<string, unknown> | undefined;
}

/** Starts a command and waits until `seen` is true of the node. */
async function startUntil(
  node: TestNode,
  args: string[],
  seen: () => boolean,
): Promise<ReturnType<typeof startCommand>> {
  const running = startCommand('updater', [...args, '--config', node.config]);
  for (let tries = 0; !seen(); tries += 1) {
    if (tries > 1200) throw new Error(`never seen: ${running.output().stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return running;
}

describe('a marker', () => {
  it.each([
    // where it stopped, phase that was left, what runs in the end, state
    ['did-write-marker-prepared', 'prepared', '1.0.0', 'committed'],
    ['did-switch', 'prepared', '1.1.0', 'committed'],
    ['did-write-marker-switched', 'switched', '1.1.0', 'committed'],
    ['did-write-marker-restarted', 'restarted', '1.1.0', 'committed'],
    ['did-save-state', 'restarted', '1.1.0', 'committed'],
  ])('left after %s (%s): %s, %s', async (point, phase, version, state) => {
    const { node } = await readyForUpdate();
    await die(node, ['apply'], point);
    expect(marker(node)).toMatchObject({
      schema: 1,
      phase,
      attempt: 1,
      from: { version: '1.0.0' },
      to: { version: '1.1.0' },
      baseline: { rank: 'healthy' },
    });
    const status = (await node.updater(['status'])).stdout;
    expect(status).toContain(`in progress  1.1.0, '${phase}', attempt 1`);
    const outcome = await node.updater(['verify']);
    expect(outcome.code).toBe(0);
    expect(outcome.stderr).toContain(`stopped at 1.1.0, '${phase}', attempt 1`);
    expect(node.page()).toContain(`version ${version}`);
    expect(node.stateName()).toBe(state);
    expect(node.hasMarker()).toBe(false);
  });

  it('of a release that does not work is rolled back by the next start', async () => {
    const { node } = await readyForUpdate();
    await die(node, ['apply'], 'did-write-marker-switched');
    node.web.fault = ({ target }) => (target.includes('/1.1.0-') ? { status: 500 } : undefined);
    const outcome = await node.updater(['verify']);
    expect(outcome.code).toBe(1);
    expect(outcome.stdout).toContain('rolled back from 1.1.0 to 1.0.0');
    expect(node.quarantined()).toStrictEqual(['1.1.0']);
  });

  it('is settled first by whatever changes something', async () => {
    const { node } = await readyForUpdate();
    node.web.fault = ({ target }) => (target.includes('/1.1.0-') ? { status: 500 } : undefined);
    await die(node, ['apply'], 'did-write-marker-restarted');
    const outcome = await node.updater(['once']);
    expect(outcome.code).toBe(1);
    expect(outcome.stdout).toContain('rolled back from 1.1.0 to 1.0.0');
    await die(node, ['apply', '1.1.0', '--lift-quarantine'], 'did-write-marker-restarted');
    const rollback = await node.updater(['rollback', '--reason', 'blank']);
    expect(rollback.code).toBe(0);
    expect(node.page()).toContain('version 1.0.0');
  });

  it.each(['by version', 'by deployment'])(
    'is where a rollback to what ran before wants to go, told %s',
    async (how) => {
      const { node } = await readyForUpdate();
      const id = node.current() ?? '';
      node.web.fault = ({ target }) => (target.includes('/1.1.0-') ? { status: 500 } : undefined);
      await die(node, ['apply'], 'did-write-marker-restarted');
      const to = how === 'by version' ? '1.0.0' : id;
      const rollback = await node.updater(['rollback', '--to', to, '--reason', 'blank']);
      expect(rollback).toMatchObject({ code: 0, stdout: expect.stringContaining('rolled back') });
      expect(node.current()).toBe(id);
    },
  );

  it('that three attempts left without a verdict is rolled back without probing', async () => {
    const { node } = await readyForUpdate();
    await die(node, ['apply'], 'did-write-marker-restarted');
    await die(node, ['verify'], 'did-write-marker-restarted');
    expect(marker(node)).toMatchObject({ attempt: 2 });
    await die(node, ['verify'], 'did-write-marker-restarted');
    expect(marker(node)).toMatchObject({ attempt: 3 });
    const probed: string[] = [];
    node.web.fault = ({ target }) => void probed.push(target);
    const outcome = await node.updater(['verify']);
    expect(outcome.code).toBe(1);
    expect(outcome.stdout).toContain('no verdict after 3 attempts');
    expect(probed.length).toBeGreaterThan(0);
    expect(probed.filter((target) => target.includes('1.1.0'))).toStrictEqual([]);
    expect(node.page()).toContain('version 1.0.0');
    expect(node.quarantined()).toStrictEqual(['1.1.0']);
  });

  it('of a deployment that is not whole is rolled back; the release is not to blame and is taken again', async () => {
    const { node } = await readyForUpdate();
    await die(node, ['apply'], 'did-write-marker-restarted');
    appendFileSync(join(node.root, 'current/web-ui/about/index.html'), 'x');
    const outcome = await node.updater(['verify']);
    expect(outcome.code).toBe(1);
    expect(outcome.stdout).toContain('1.1.0 is damaged on the disk');
    expect(node.page()).toContain('version 1.0.0');
    expect(node.quarantined()).toStrictEqual([]);
    expect((await node.updater(['apply'])).code).toBe(0);
    expect(node.page()).toContain('version 1.1.0');
    expect(readFileSync(join(node.root, 'current/web-ui/about/index.html'), 'utf8')).toBe(
      '<p>about 1.1.0</p>\n',
    );
  });

  it('of an operator who pointed `current` elsewhere meanwhile gives way to them', async () => {
    const { node, ship } = await readyForUpdate();
    await node.updater(['apply']);
    const third = await ship('1.2.0');
    await die(node, ['apply'], 'did-write-marker-restarted');
    expect(node.current()).toBe(third.deploymentId);
    const first = readdirSync(join(node.root, 'deployments')).find((id) => id.startsWith('1.0.0-'));
    rmSync(join(node.root, 'current'));
    symlinkSync(`deployments/${first}`, join(node.root, 'current'));
    expect((await node.updater(['verify'])).code).toBe(0);
    expect(node.current()).toBe(first);
    expect(node.hasMarker()).toBe(false);
  });

  it('whose way back is gone from the disk keeps what runs, degraded', async () => {
    const { node } = await readyForUpdate();
    await die(node, ['apply'], 'did-write-marker-restarted');
    node.web.fault = () => ({ status: 500 });
    const old = readdirSync(join(node.root, 'deployments')).find((id) => id.startsWith('1.0.0-'));
    rmSync(join(node.root, 'deployments', old ?? 'none'), { recursive: true });
    const outcome = await node.updater(['verify']);
    expect(outcome.code).toBe(1);
    expect(outcome.stdout).toContain('degraded: 1.1.0 runs and does not pass');
    expect(node.page()).toContain('version 1.1.0');
    expect(node.hasMarker()).toBe(false);
  });
});

describe('a corrupt file', () => {
  it.each(['state.json', 'pending-verification.json', 'floor.json', 'quarantine.json'])(
    '%s is kept, and closes the node for updates until somebody looked; what runs keeps running',
    async (name) => {
      const { node } = await readyForUpdate();
      const before = node.current();
      const file = join(node.state, name);
      writeFileSync(file, '{"schema":1,"state":');
      const outcome = await node.updater(['once']);
      expect(outcome.code).toBe(3);
      expect(outcome.stderr).toContain(`'${name}' was corrupt: not JSON`);
      const kept = `${file}.corrupt-1`;
      expect(outcome.stderr).toContain(kept);
      expect(readFileSync(kept, 'utf8')).toBe('{"schema":1,"state":');
      expect(node.current()).toBe(before);

      for (const args of [['once'], ['apply'], ['verify']]) {
        const again = await node.updater(args);
        expect(again.code, args.join(' ')).toBe(3);
        expect(again.stderr).toContain('found corrupt at an earlier start');
      }
      expect((await node.updater(['status'])).stdout).toContain(`WARNING: '${name}' is corrupt`);
      expect(node.page()).toContain('version 1.0.0');

      rmSync(kept);
      expect((await node.updater(['once'])).code).toBe(0);
      expect(node.page()).toContain('version 1.1.0');
    },
  );

  it.each([
    ['another schema', '{"schema":2}'],
    ['nothing', ''],
    ['an array', '[]'],
    [
      'a path for an id',
      '{"schema":1,"to":{"id":"../../etc","version":"1","digest":"","sequence":1}}',
    ],
  ])('is also a marker that is %s', async (_, content) => {
    const { node } = await readyForUpdate();
    writeFileSync(join(node.state, 'pending-verification.json'), content);
    expect((await node.updater(['verify'])).code).toBe(3);
    expect(node.page()).toContain('version 1.0.0');
  });

  it('does not keep an operator from rolling back', async () => {
    const { node } = await readyForUpdate();
    await node.updater(['apply']);
    writeFileSync(join(node.state, 'state.json'), 'rubbish');
    expect((await node.updater(['once'])).code).toBe(3);
    const unnamed = await node.updater(['rollback', '--reason', 'blank']);
    expect(unnamed.code).toBe(3);
    expect(unnamed.stdout).toContain('no other release on the disk is known to have passed here');
    expect(unnamed.stdout).toContain(
      "kept on this node: 1.0.0; 'updater rollback --to 1.0.0 --reason …' goes to that one all the same",
    );
    const outcome = await node.updater(['rollback', '--to', '1.0.0', '--reason', 'blank']);
    expect(outcome.code).toBe(0);
    expect(node.page()).toContain('version 1.0.0');
    expect((await node.updater(['once'])).code).toBe(3);
  });

  it('is not a lost one: without state.json the disk tells what runs, and updates go on', async () => {
    const { node } = await readyForUpdate();
    rmSync(join(node.state, 'state.json'));
    expect((await node.updater(['status'])).stdout).toContain('1.0.0-');
    expect((await node.updater(['once'])).code).toBe(0);
    expect(node.page()).toContain('version 1.1.0');
    expect((await node.updater(['rollback', '--reason', 'x'])).code).toBe(0);
    expect(node.page()).toContain('version 1.0.0');
  });
});

describe('told to stop', () => {
  it('while a verdict is due, it leaves the marker, and the next start settles it', async () => {
    const { node } = await readyForUpdate({ probe: { window: '60s' } });
    let broken = true;
    node.web.fault = ({ target }) =>
      broken && target.includes('/1.1.0-') ? { status: 503 } : undefined;
    const running = await startUntil(
      node,
      ['apply'],
      () => marker(node)?.['phase'] === 'restarted',
    );
    running.child.kill('SIGTERM');
    const outcome = await running.done;
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain('stopped before it was done');
    expect(outcome.stderr).toContain("'updater verify'");
    broken = false;
    expect((await node.updater(['verify'])).code).toBe(0);
    expect(node.page()).toContain('version 1.1.0');
  });

  it('run ends cleanly, having updated, and having let others in between', async () => {
    const { node } = await readyForUpdate();
    const running = await startUntil(
      node,
      ['run'],
      () => node.page()?.includes('1.1.0') === true && node.stateName() === 'committed',
    );
    while (!running.output().stderr.includes('next check')) {
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    expect((await node.updater(['once'])).code).toBe(0);
    running.child.kill('SIGTERM');
    const outcome = await running.done;
    expect(outcome.code).toBe(0);
    expect(outcome.stderr).toContain('stopped, as told');
    expect(node.hasMarker()).toBe(false);
  });
});

describe('two updaters', () => {
  it('never work at once: the second is told who the first is', async () => {
    const { node } = await readyForUpdate({ probe: { window: '60s' } });
    node.web.fault = ({ target }) => (target.includes('/1.1.0-') ? { status: 503 } : undefined);
    const running = await startUntil(
      node,
      ['apply'],
      () => marker(node)?.['phase'] === 'restarted',
    );
    for (const args of [['once'], ['verify'], ['rollback', '--reason', 'x']]) {
      const second = await node.updater(args);
      expect(second.code).toBe(1);
      expect(second.stderr).toMatch(/is held by process \d+ \(apply\)/);
    }
    expect((await node.updater(['status'])).code).toBe(0);
    running.child.kill('SIGKILL');
    await running.done;
    expect((await node.updater(['rollback', '--reason', 'x', '--dry-run'])).code).toBe(3);
    node.web.fault = () => undefined;
    expect((await node.updater(['verify'])).code).toBe(0);
    expect(existsSync(join(node.state, 'pending-verification.json'))).toBe(false);
  });

  it('at boot wait for each other: the look at boot does not fail because a service had failed', async () => {
    const { node } = await readyForUpdate({ probe: { window: '60s' } });
    node.web.fault = ({ target }) => (target.includes('/1.1.0-') ? { status: 503 } : undefined);
    const isBegun = (): boolean => marker(node)?.['phase'] === 'restarted';
    const running = await startUntil(node, ['apply'], isBegun);
    const boot = startCommand('updater', ['verify', '--boot', '--config', node.config]);
    await expect.poll(() => boot.output().stderr).toContain('waiting: ');
    node.web.fault = () => undefined;
    expect((await running.done).code).toBe(0);
    expect((await boot.done).code).toBe(0);
    expect(boot.output().stdout).toContain('1.1.0 runs');
  });
});

describe('an operator whose connection is lost', () => {
  it('gets a verdict all the same: nobody listens to what is told', async () => {
    const { node } = await readyForUpdate({ probe: { window: '1s' } });
    node.web.fault = ({ target }) => (target.includes('/1.1.0-') ? { status: 500 } : undefined);
    const isBegun = (): boolean => marker(node) !== undefined;
    const running = await startUntil(node, ['apply'], isBegun);
    running.child.stdout?.destroy();
    running.child.stderr?.destroy();
    running.child.kill('SIGHUP');
    expect(await running.done).toMatchObject({ code: 1, signal: null });
    expect(node.current()).toMatch(/^1\.0\.0-/);
    expect(node.hasMarker()).toBe(false);
    expect(node.quarantined()).toStrictEqual(['1.1.0']);
  });

  it('gets the release, though all that hangs on the terminal is told that it is gone', async () => {
    const { node } = await readyForUpdate();
    const running = startCommand('updater', ['apply', '--config', node.config], { ownGroup: true });
    const deployments = join(node.root, 'deployments');
    const isStaging = (): boolean =>
      readdirSync(deployments).some((name) => name.startsWith('.staging-'));
    await expect.poll(isStaging, { interval: 2 }).toBe(true);
    // The process that looks as the web server's user is there by now.
    await new Promise((resolve) => setTimeout(resolve, 20));
    process.kill(-(running.child.pid ?? 0), 'SIGHUP');
    expect(await running.done).toMatchObject({ code: 0, signal: null });
    expect(node.current()).toMatch(/^1\.1\.0-/);
  });

  it('gets the release, though its notes could not be told from the start', async () => {
    const { node } = await readyForUpdate();
    const running = startCommand('updater', ['apply', '--config', node.config]);
    running.child.stdout?.destroy();
    running.child.stderr?.destroy();
    expect(await running.done).toMatchObject({ code: 0, signal: null });
    expect(node.current()).toMatch(/^1\.1\.0-/);
  });
});
