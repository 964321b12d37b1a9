/**
 * What a node meets that is no release's fault: an updater that was stopped, a
 * state folder that takes no writes. Each ends in a clear word and a page that
 * is served.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Outcome, startCommand } from '../harness/command.ts';
import type { TestNode } from '../harness/node.ts';
import { makeWorld, type World } from '../harness/world.ts';

/** A node that runs 1.0.0, with 1.1.0 published, which answers 503 as long as `broken`. */
async function withBadUpdate(
  prepare: (world: World) => void = () => {},
): Promise<World & { heal: () => void }> {
  const world = await makeWorld({ probe: { window: '60s' } });
  prepare(world);
  await world.ship('1.0.0');
  const installed = await world.node.updater(['apply']);
  expect(installed, installed.stderr).toMatchObject({ code: 0 });
  await world.ship('1.1.0');
  let broken = true;
  world.node.web.fault = ({ target }) =>
    broken && target.includes('/1.1.0-') ? { status: 503 } : undefined;
  return { ...world, heal: () => (broken = false) };
}

async function until(seen: () => boolean): Promise<void> {
  for (let tries = 0; !seen(); tries += 1) {
    if (tries > 1200) throw new Error('never seen');
    await sleep(25);
  }
}

describe('an updater that was stopped', () => {
  it('is named by whoever comes second, with what to do; the node is served, and goes on', async () => {
    const { node, heal } = await withBadUpdate();
    const stopped = startCommand('updater', ['apply', '--config', node.config]);
    onTestFinished(() => void stopped.child.kill('SIGKILL'));
    await until(() => node.current()?.startsWith('1.1.0-') === true);
    stopped.child.kill('SIGSTOP');
    const { pid } = stopped.child;
    await until(() => / T /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')));
    for (const args of [['once'], ['verify'], ['rollback', '--reason', 'x']]) {
      const second = await node.updater(args);
      expect(second.code, args[0]).toBe(1);
      expect(second.stderr).toMatch(
        new RegExp(`is held by process ${pid} \\(apply\\) since 20.*Z, which is stopped`),
      );
      expect(second.stderr).toContain(`'kill -KILL ${pid}' ends it, and the next start settles`);
    }
    const status = await node.updater(['status']);
    expect(status.stdout).toMatch(
      new RegExp(`at work +process ${pid} \\(apply\\) since .* STOPPED`),
    );
    stopped.child.kill('SIGKILL');
    await stopped.done;
    heal();
    expect((await node.updater(['verify'])).code).toBe(0);
    expect(node.page()).toContain('version 1.1.0');
    expect((await node.updater(['status'])).stdout).not.toContain('at work');
  });
});

describe('many updaters at once', () => {
  it('do one thing after another, or are told who is at work; nothing is torn', async () => {
    const { node, ship } = await makeWorld();
    await ship('1.0.0');
    expect((await node.updater(['apply'])).code).toBe(0);
    await ship('1.1.0');
    // Others can write where the floor is kept: it is closed, and said.
    chmodSync(node.state, 0o777);
    const commands = [
      ['once'],
      ['apply'],
      ['verify'],
      ['heal'],
      ['rollback', '--reason', 'x'],
      ['adopt'],
      ['status'],
    ];
    const outcomes = await Promise.all(commands.map((args) => node.updater(args)));
    for (const [index, { code, stderr }] of outcomes.entries()) {
      const isTold = stderr.includes('is held by process');
      expect(code === 0 || code === 3 || isTold, `${commands[index]?.join(' ')}: ${stderr}`).toBe(
        true,
      );
    }
    expect(outcomes.map(({ stderr }) => stderr).join('')).toContain('could be written by others');
    expect(statSync(node.state).mode & 0o777).toBe(0o700);
    expect(node.hasMarker()).toBe(false);
    expect(node.page()).toMatch(/version 1\.[01]\.0/);
    expect(node.journal().length, 'every line is whole').toBeGreaterThan(5);
    expect((await node.updater(['heal'])).stdout).toContain('is as it was installed');
    expect(readdirSync(node.state).filter((name) => /\.tmp-|claim/.test(name))).toEqual([]);
  });
});

/** The state of `world` on a small file system of its own; `remount` changes how. */
function onSmallDisk({ node, folder }: World): {
  remount: (how: string) => void;
  fill: () => void;
} {
  const small = join(folder, 'small');
  mkdirSync(small);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', small]);
  onTestFinished(() => void execFileSync('umount', [small]));
  const state = join(small, 'state');
  writeFileSync(node.config, readFileSync(node.config, 'utf8').replace(node.state, state));
  Object.assign(node, { state });
  const name = `landfall-${createHash('sha256').update(state).digest('hex').slice(0, 12)}.lock`;
  onTestFinished(() => {
    for (const each of readdirSync('/run').filter((file) => file.startsWith(name))) {
      rmSync(join('/run', each));
    }
  });
  return {
    remount: (how) => void execFileSync('mount', ['-o', `remount,${how}`, small]),
    fill: () => {
      spawnSync('dd', ['if=/dev/zero', `of=${join(small, 'filler')}`, 'bs=4k'], {
        stdio: 'ignore',
      });
    },
  };
}

describe('a state folder that takes no writes, with a release that has no verdict', () => {
  it.each(['read-only', 'full'])(
    '%s: the release is left all the same, and it is said',
    async (how) => {
      let disk: ReturnType<typeof onSmallDisk> | undefined;
      const { node, heal } = await withBadUpdate((world) => (disk = onSmallDisk(world)));
      const killed = await node.updater(['apply'], {
        env: { LANDFALL_CRASH_AT: 'did-write-marker-restarted' },
      });
      expect(killed.signal).toBe('SIGKILL');
      if (how === 'full') disk?.fill();
      else disk?.remount('ro');
      const left = await node.updater(['verify']);
      expect(left.code, left.stderr).toBe(1);
      expect(left.stderr).toContain(
        how === 'full' ? 'no space left on the device' : 'the file system is read-only',
      );
      expect(node.page(), 'visitors have the old page again').toContain('version 1.0.0');
      // The next boot, the same: nothing can be written down, and nothing changes.
      expect((await node.updater(['verify'])).code).toBe(1);
      expect((await node.updater(['status'])).code).toBe(0);
      expect(node.page()).toContain('version 1.0.0');
      if (how === 'full') rmSync(join(node.state, '../filler'));
      else disk?.remount('rw');
      heal();
      expect((await node.updater(['verify'])).code).toBe(1);
      expect(node.hasMarker()).toBe(false);
      expect(node.quarantined(), 'the disk was to blame').toStrictEqual([]);
      expect((await node.updater(['apply'])).code).toBe(0);
      expect(node.page()).toContain('version 1.1.0');
    },
  );
});

/** Runs `args` on a machine whose clock shows `time`, and whose timers run as ever. */
async function at(time: string, node: TestNode, args: string[]): Promise<Outcome> {
  const folder = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/faketime`;
  const env = {
    LD_PRELOAD: join(folder, 'libfaketimeMT.so.1'),
    FAKETIME: time,
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  };
  return node.updater(args, { env });
}

describe('a clock that is wrong', () => {
  it('costs updates, never the page; and is forgotten when it is right again', async () => {
    const { node, ship } = await makeWorld({ top: ['probation = "10m"'] });
    await ship('1.0.0');
    // A node whose clock's battery is empty takes its first release all the same.
    const first = await at('1970-01-02 00:00:00', node, ['once']);
    expect(first.code, first.stderr).toBe(0);
    expect(node.page()).toContain('version 1.0.0');
    expect(first.stdout).toContain('in probation until 1970-01-02T');
    const history = await at('1970-01-02 00:00:00', node, ['history']);
    expect(history.stdout).toContain('1970-01-02T00');

    await ship('1.1.0');
    // A clock that cannot be right is not asked what has expired: what stands in the way is probation.
    const absurd = await at('2106-02-08 00:00:00', node, ['once']);
    expect(absurd.code, absurd.stderr).toBe(0);
    expect(absurd.stdout).toContain('in probation');
    expect(absurd.stderr).toContain("warning: this machine's clock is wrong");
    const late = await at('2036-02-08 00:00:00', node, ['once']);
    expect(late.code, late.stdout).toBe(3);
    expect(late.stdout).toContain('has expired');
    expect(late.stdout).toContain("check this machine's clock");
    expect(node.page()).toContain('version 1.0.0');
    const status = await at('2106-02-08 00:00:00', node, ['status']);
    expect(status.code).toBe(0);
    expect(node.stateName(), 'no clock ends probation').toBe('probation');

    // Right again: what was looked after in 2106 is looked after now.
    writeFileSync(join(node.root, 'current/web-ui/about/index.html'), '<p>ABOUT 1.0.0</p>\n');
    const now = await node.updater(['once']);
    expect(now.stderr).toContain("restored 'web-ui/about/index.html'");
    expect([0, 1]).toContain(now.code);
    const applied = await node.updater(['apply', '1.1.0']);
    expect(applied.code, applied.stderr).toBe(0);
    expect(node.page()).toContain('version 1.1.0');
    expect(node.quarantined()).toStrictEqual([]);
  });
});
