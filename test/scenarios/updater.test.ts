/**
 * Stories of one node, told with the real command: real signed releases on
 * directory mirrors, a real web server on loopback, real files.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { TestNode } from '../harness/node.ts';
import { exampleWebUi } from '../harness/release-factory.ts';
import { makeWorld } from '../harness/world.ts';

/** The web server answers 500 while a deployment of `version` is current. */
function breakVersion(node: TestNode, version: string): void {
  node.web.fault = ({ target }) => (target.includes(`/${version}-`) ? { status: 500 } : undefined);
}

/** Names in `deployments`, half-made ones included. */
function deployments(node: TestNode): string[] {
  return readdirSync(join(node.root, 'deployments')).toSorted();
}

describe('an update', () => {
  it('installs the first release, then the next, and is up to date after that', async () => {
    const { node, ship } = await makeWorld();
    const first = await ship('1.0.0');
    const installed = await node.updater(['apply']);
    expect(installed.stdout).toContain("1.0.0 runs: page and 4 assets are this release's");
    expect(installed.code).toBe(0);
    expect(node.current()).toBe(first.deploymentId);

    const second = await ship('1.1.0');
    expect((await node.updater(['once'])).code).toBe(0);
    expect(node.current()).toBe(second.deploymentId);
    expect(node.page()).toContain('version 1.1.0');
    expect(node.stateName()).toBe('committed');
    expect(node.hasMarker()).toBe(false);
    expect(node.floor()).toBe(2);

    const again = await node.updater(['apply']);
    expect(again.code).toBe(0);
    expect(again.stdout).toBe('1.1.0 runs already\n');
    expect(deployments(node)).toStrictEqual([first.deploymentId, second.deploymentId].toSorted());
    expect(readdirSync(join(node.state, 'downloads'))).toStrictEqual([]);
  });

  it('tells what it would do, and changes nothing', async () => {
    const { node, ship } = await makeWorld();
    await ship('1.0.0');
    const checked = await node.json(['check']);
    expect(checked).toMatchObject({ version: '1.0.0', sequence: 1, wouldInstall: true });
    const rehearsed = await node.updater(['apply', '--dry-run']);
    expect(rehearsed.stdout).toBe('1.0.0 would be installed\n');
    expect(node.current()).toBeUndefined();
    expect(readdirSync(node.root)).toStrictEqual([]);
    expect(readdirSync(node.state)).toStrictEqual([]);
  });

  it('that answers 500 after the switch is rolled back inside the window and quarantined', async () => {
    const { node, ship } = await makeWorld();
    const good = await ship('1.0.0');
    await node.updater(['apply']);
    await ship('1.1.0');
    breakVersion(node, '1.1.0');
    const started = performance.now();
    const outcome = await node.updater(['apply']);
    expect(outcome.code).toBe(1);
    expect(outcome.stdout).toContain('rolled back from 1.1.0 to 1.0.0');
    expect(outcome.stdout).toContain('expected status 200, found 500');
    expect(performance.now() - started).toBeLessThan(15_000);
    expect(node.current()).toBe(good.deploymentId);
    expect(node.hasMarker()).toBe(false);
    expect(node.quarantined()).toStrictEqual(['1.1.0']);
    expect(node.floor(), 'the floor survives the rollback').toBe(2);
    expect(node.stateName()).toBe('rolled-back');
  });

  it('is gone within its window, whatever the window', async () => {
    const { node, ship } = await makeWorld({
      probe: { window: '4s', interval: '100ms', timeout: '1s' },
    });
    await ship('1.0.0');
    await node.updater(['apply']);
    await ship('1.1.0');
    let switched = 0;
    let back = 0;
    node.web.fault = ({ target }) => {
      if (target.includes('/1.1.0-')) switched ||= performance.now();
      else if (switched > 0) back ||= performance.now();
      return target.includes('/1.1.0-') ? { status: 500 } : undefined;
    };
    await node.updater(['apply']);
    expect(back - switched).toBeGreaterThan(2000);
    expect(back - switched).toBeLessThan(4000);
  });

  it('needs several passes in a row: one in three is not healthy', async () => {
    const { node, ship } = await makeWorld({ probe: { assets: 0 } });
    await ship('1.0.0');
    await node.updater(['apply']);
    await ship('1.1.0');
    let asked = 0;
    node.web.fault = ({ target }) =>
      target.includes('/1.1.0-') && (asked += 1) % 3 !== 0 ? { status: 502 } : undefined;
    const outcome = await node.updater(['apply']);
    expect(outcome.code).toBe(1);
    expect(outcome.stdout).toMatch(/found 502 \(\d+ of \d+ passed\)/);
    expect(node.page()).toContain('version 1.0.0');
  });

  it('on a node that was unhealthy before is kept when it is no worse, and says so', async () => {
    const { node, ship } = await makeWorld();
    await ship('1.0.0');
    await node.updater(['apply']);
    const next = await ship('1.1.0');
    node.web.fault = () => ({ status: 503 });
    const outcome = await node.updater(['apply']);
    expect(outcome.code).toBe(0);
    expect(outcome.stdout).toContain(
      'kept although not healthy, for the node was no better before',
    );
    expect(node.current()).toBe(next.deploymentId);
    expect(node.quarantined()).toStrictEqual([]);
    const status = (await node.updater(['status'])).stdout;
    expect(status).toMatch(/verified +kept although not healthy/);
  });

  it('on a node that was unhealthy before is rolled back when it is worse', async () => {
    const { node, ship } = await makeWorld();
    const old = await ship('1.0.0');
    await node.updater(['apply']);
    await ship('1.1.0');
    node.web.fault = ({ target }) => (target.includes('/1.1.0-') ? 'drop' : { status: 503 });
    expect((await node.updater(['apply'])).code).toBe(1);
    expect(node.current()).toBe(old.deploymentId);
    expect(node.stateName()).toBe('degraded');
  });

  it('that is the first and fails leaves the node as it was', async () => {
    const { node, ship } = await makeWorld();
    await ship('1.0.0');
    node.web.fault = () => ({ status: 500 });
    const outcome = await node.updater(['apply']);
    expect(outcome.code).toBe(1);
    expect(outcome.stdout).toContain('rolled back from 1.0.0 to nothing, as it was');
    expect(node.current()).toBeUndefined();
    expect(readdirSync(node.root)).toStrictEqual(['deployments', 'floor.json']);
    expect(deployments(node)).toStrictEqual([]);
    expect(node.quarantined()).toStrictEqual(['1.0.0']);
    node.web.fault = () => undefined;
    expect((await node.updater(['once'])).code).toBe(3);
    await ship('1.0.1');
    expect((await node.updater(['once'])).code).toBe(0);
    expect(node.page()).toContain('version 1.0.1');
  });
});

describe('quarantine', () => {
  it('holds over restarts and over the same bytes under another version, until an operator lifts it', async () => {
    const { node, ship } = await makeWorld();
    await ship('1.0.0');
    await node.updater(['apply']);
    await ship('1.1.0');
    breakVersion(node, '1.1.0');
    await node.updater(['apply']);
    node.web.fault = () => undefined;

    const refused = await node.updater(['once']);
    expect(refused.code).toBe(3);
    expect(refused.stdout).toContain('not installed: 1.1.0 is quarantined here since');
    expect(refused.stdout).toContain("'updater apply 1.1.0 --lift-quarantine'");
    await ship('1.1.1', { webUi: exampleWebUi('1.1.0') });
    const renamed = await node.updater(['apply']);
    expect(renamed.code).toBe(3);
    expect(renamed.stdout).toContain('1.1.1 is quarantined here');
    expect(renamed.stdout).toContain('as 1.1.0');
    expect(node.page()).toContain('version 1.0.0');

    const lifted = await node.updater(['apply', '1.1.1', '--lift-quarantine']);
    expect(lifted.code).toBe(0);
    expect(node.quarantined()).toStrictEqual([]);
    expect(node.current()).toContain('1.1.1-');
  });

  it('ends for new bytes', async () => {
    const { node, ship } = await makeWorld();
    await ship('1.0.0');
    await node.updater(['apply']);
    await ship('1.1.0');
    breakVersion(node, '1.1.0');
    await node.updater(['apply']);
    await ship('1.1.1');
    expect((await node.updater(['once'])).code).toBe(0);
    expect(node.page()).toContain('version 1.1.1');
  });
});

describe('a rollback by hand', () => {
  it('goes to what ran before, quarantines what it leaves, and keeps the floor', async () => {
    const { node, ship } = await makeWorld();
    const first = await ship('1.0.0');
    await node.updater(['apply']);
    await ship('1.1.0');
    await node.updater(['apply']);
    const told = await node.updater(['rollback', '--dry-run', '--reason', 'x']);
    expect(told.stdout).toContain('it would be rolled back to 1.0.0');
    const outcome = await node.updater(['rollback', '--reason', 'login page is blank']);
    expect(outcome.code).toBe(0);
    expect(outcome.stdout).toBe(
      'rolled back from 1.1.0 to 1.0.0: rolled back by hand: login page is blank\n',
    );
    expect(node.current()).toBe(first.deploymentId);
    expect(node.floor()).toBe(2);
    expect((await node.updater(['once'])).code).toBe(3);
    const status = (await node.updater(['status'])).stdout;
    expect(status).toMatch(
      /quarantine +1\.1\.0 since .*: rolled back by hand: login page is blank/,
    );
  });

  it('goes to any release that is kept, and nowhere else', async () => {
    const { node, ship } = await makeWorld();
    for (const version of ['1.0.0', '1.1.0', '1.2.0']) {
      await ship(version);
      await node.updater(['apply']);
    }
    const missing = await node.updater(['rollback', '--to', '0.9.0', '--reason', 'x']);
    expect(missing.code).toBe(3);
    expect(missing.stdout).toContain('0.9.0 is not on the disk');
    expect(missing.stdout).toContain('kept on this node: 1.1.0, 1.0.0');
    const refused = await node.updater(['apply', '1.0.0']);
    expect(refused.code).toBe(3);
    expect(refused.stdout).toContain("'updater rollback --to 1.0.0 --reason …' returns to it");
    expect((await node.updater(['rollback', '--to', '1.0.0', '--reason', 'x'])).code).toBe(0);
    expect(node.page()).toContain('version 1.0.0');
    const there = await node.updater(['apply', '1.0.0']);
    expect(there.code).toBe(0);
    expect(there.stdout).toContain('1.0.0 runs already, and the mirrors offer 1.2.0');
    const same = await node.updater(['rollback', '--to', '1.0.0', '--reason', 'x']);
    expect(same.code).toBe(3);
    expect(same.stdout).toContain('not rolled back: 1.0.0 runs already');
    const quarantined = await node.updater(['rollback', '--to', '1.2.0', '--reason', 'x']);
    expect(quarantined.code).toBe(3);
    expect(quarantined.stdout).toContain('1.2.0 is quarantined here');
  });

  it('has nowhere to go on a fresh node', async () => {
    const { node, ship } = await makeWorld();
    expect((await node.updater(['rollback', '--reason', 'x'])).code).toBe(3);
    await ship('1.0.0');
    await node.updater(['apply']);
    const outcome = await node.updater(['rollback', '--reason', 'x']);
    expect(outcome.code).toBe(3);
    expect(outcome.stdout).toContain('there is nothing to roll back to');
    expect(node.page()).toContain('version 1.0.0');
  });
});

describe('retention', () => {
  it('keeps the last deployments, and never removes where a rollback goes', async () => {
    const { node, ship } = await makeWorld({ top: ['probation = "0s"', 'keep = 2'] });
    for (const version of ['1.0.0', '1.1.0', '1.2.0']) {
      await ship(version);
      await node.updater(['apply']);
    }
    expect(deployments(node).map((id) => id.slice(0, 5))).toStrictEqual(['1.1.0', '1.2.0']);
    for (const version of ['1.3.0', '1.4.0', '1.5.0']) {
      breakVersion(node, version);
      await ship(version);
      expect((await node.updater(['apply'])).code).toBe(1);
    }
    node.web.fault = () => undefined;
    expect(deployments(node).map((id) => id.slice(0, 5))).toStrictEqual(['1.1.0', '1.2.0']);
    expect((await node.updater(['rollback', '--reason', 'x'])).code).toBe(0);
    expect(node.page()).toContain('version 1.1.0');
  });
});

/** Makes the watch over what is in probation an hour longer than it was. */
function anHourLater(node: TestNode): void {
  const file = join(node.state, 'watch.json');
  const watch = JSON.parse(readFileSync(file, 'utf8')) as { before: number };
  watch.before += 3_600_000;
  writeFileSync(file, JSON.stringify(watch));
}

describe('probation', () => {
  const TOP = ['probation = "1h"'];

  it('rolls back a release that fails later', async () => {
    const { node, ship } = await makeWorld({ top: TOP });
    const good = await ship('1.0.0');
    await node.updater(['apply']);
    await ship('1.1.0');
    await node.updater(['apply', '1.1.0']);
    expect(node.stateName()).toBe('probation');
    expect((await node.updater(['verify'])).code).toBe(0);
    breakVersion(node, '1.1.0');
    const outcome = await node.updater(['once']);
    expect(outcome.code).toBe(1);
    expect(outcome.stdout).toContain('rolled back from 1.1.0 to 1.0.0');
    expect(node.current()).toBe(good.deploymentId);
    expect(node.quarantined()).toStrictEqual(['1.1.0']);
  });

  it('lets nothing follow by itself, and commits when its time is over', async () => {
    const { node, ship } = await makeWorld({ top: TOP });
    await ship('1.0.0');
    await node.updater(['apply']);
    await ship('1.1.0');
    const waiting = await node.updater(['once']);
    expect(waiting.code).toBe(0);
    expect(waiting.stdout).toContain('not installed: 1.0.0 is in probation until');
    // Whoever asked for it now did not get it.
    for (const args of [['apply'], ['apply', '--dry-run']]) {
      const asked = await node.updater(args);
      expect(asked.code, args.join(' ')).toBe(3);
      expect(asked.stdout).toContain('not installed: 1.0.0 is in probation until');
    }
    // A clock that was set is not time that was watched.
    const state = join(node.state, 'state.json');
    const until = /("until": ")\d{4}/;
    for (const year of ['1970', '2106']) {
      writeFileSync(state, readFileSync(state, 'utf8').replace(until, `$1${year}`));
      expect((await node.updater(['verify'])).stdout).toContain('1.0.0 runs, in probation until');
      expect(readFileSync(state, 'utf8')).not.toMatch(new RegExp(`"until": "${year}`));
    }
    anHourLater(node);
    const rebooted = readFileSync(join(node.state, 'watch.json'), 'utf8');
    // The machine was off when its time was over: nothing is committed without a probe that passes now.
    writeFileSync(
      join(node.state, 'watch.json'),
      rebooted.replace(/("bootId": )"[^"]+"/, '$1"another"'),
    );
    node.web.fault = () => 'drop';
    const failed = await node.updater(['verify']);
    expect(failed.code).toBe(1);
    expect(node.stateName(), 'a first install is not taken away').toBe('degraded');
    node.web.fault = () => undefined;
    expect((await node.updater(['verify'])).stdout).toContain('1.0.0 runs: ');
    expect(node.stateName()).toBe('committed');
    expect((await node.updater(['once'])).code).toBe(0);
    expect(node.page()).toContain('version 1.1.0');
  });
});
