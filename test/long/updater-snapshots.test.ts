/**
 * The node's data around a switch: workers that are stopped and started, and
 * snapshots that an operator can bring back. Real processes, real files, and a
 * real btrfs on a loop device. What goes wrong in rarer ways: `updater-data`.
 */
import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  hook,
  makeSite,
  migrate,
  mountBtrfs,
  QUIET_SWITCH,
  rows,
  SNAPSHOT,
  STOP,
} from '../harness/data-site.ts';
import { makeWorld } from '../harness/world.ts';

describe('what must not run during a switch', () => {
  it('is stopped before it and started after it, in reverse; a snapshot is made in between', async () => {
    const { node, events, workers, ship } = await makeSite([...SNAPSHOT, hook('remove')]);
    expect(await node.updater(['apply'])).toMatchObject({ code: 0 });
    expect(events()).toStrictEqual(QUIET_SWITCH);
    expect(workers()).toStrictEqual(['a', 'b']);
    expect(existsSync(join(node.state, 'quiesced.json'))).toBe(false);
    expect(node.read('snapshots.json')).toMatchObject({
      snapshots: [{ of: { version: '1.0.0' }, before: { version: '1.1.0' }, made: true }],
    });
    for (const version of ['1.2.0', '1.3.0']) {
      await ship(version);
      await node.updater(['apply']);
    }
    expect(events()).toContain('remove of 1.0.0 1.3.0');
    expect(node.read('snapshots.json')).toMatchObject({
      snapshots: [{ of: { version: '1.1.0' } }, { of: { version: '1.2.0' } }],
    });
  });

  it('is stopped for a rollback too, after visitors have the old page again', async () => {
    const { node, events, workers } = await makeSite(SNAPSHOT);
    node.web.fault = ({ target }) => (target.includes('/1.1.0-') ? { status: 500 } : undefined);
    expect(await node.updater(['apply'])).toMatchObject({ code: 1 });
    const back = [...STOP, 'start b 1.0.0', 'start a 1.0.0'];
    expect(events()).toStrictEqual([...QUIET_SWITCH, ...back]);
    expect(workers()).toStrictEqual(['a', 'b']);
    expect(node.stateName()).toBe('rolled-back');
  });
});

describe('a snapshot', () => {
  it('comes back with a rollback when an operator says so, and only then', async () => {
    const site = await makeSite(SNAPSHOT);
    const { node, ship, events } = site;
    await node.updater(['apply']);
    migrate(site);
    const dry = await node.updater(['rollback', '--reason', 'x', '--dry-run']);
    expect(dry.stdout).toMatch(/--restore-snapshot brings landfall-\w+-1\.0\.0 back/);
    const plain = await node.updater(['rollback', '--reason', 'x']);
    expect(plain.stdout).toContain("updater rollback --restore-snapshot --reason '…'");
    expect(rows(site), 'never by itself').toBe('of 1.1.0');
    expect((await node.updater(['status'])).stdout).toContain('rollback --restore-snapshot');

    const later = await node.updater(['rollback', '--restore-snapshot', '--reason', 'x']);
    expect(later, later.stderr).toMatchObject({ code: 0 });
    expect(rows(site)).toBe('of 1.0.0');
    expect(node.page()).toContain('version 1.0.0');

    await ship('1.2.0');
    await node.updater(['apply']);
    migrate(site);
    const both = await node.updater(['rollback', '--restore-snapshot', '--reason', 'x']);
    expect(both.stdout).toMatch(/the data is that of landfall-\S+ again/);
    expect([both.code, rows(site), node.page()?.includes('version 1.0.0')]).toStrictEqual([
      0,
      'of 1.0.0',
      true,
    ]);
    expect(events().slice(-5)).toStrictEqual([
      ...['stop a 1.2.0', 'stop b 1.2.0', 'restore of 1.0.0 1.2.0'],
      ...['start b 1.0.0', 'start a 1.0.0'],
    ]);
    const none = await node.updater(['rollback', '--restore-snapshot', '--reason', 'x']);
    expect(none).toMatchObject({ code: 3 });
  });

  it('of btrfs is made, brought back with what was there kept, and removed', async () => {
    const { node, folder, ship } = await makeWorld();
    const disk = mountBtrfs(folder);
    const data = join(disk, 'data');
    execFileSync('btrfs', ['subvolume', 'create', data]);
    writeFileSync(join(data, 'rows'), 'of 1.0.0');
    const toml = `[snapshot]\ntype = "btrfs"\nkeep = 1\nsubvolume = "${data}"\n`;
    await ship('1.0.0');
    await node.updater(['apply']);
    appendFileSync(node.config, toml);
    await ship('1.1.0');
    expect(await node.updater(['apply'])).toMatchObject({ code: 0 });
    const snapshots = (): string[] => readdirSync(join(disk, '.landfall-snapshots'));
    const [name = ''] = snapshots();
    expect(name).toMatch(/^landfall-\d{8}T\d{6}Z-1\.0\.0$/);
    writeFileSync(join(data, 'rows'), 'of 1.1.0');
    const outcome = await node.updater(['rollback', '--restore-snapshot', '--reason', 'x']);
    expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
    expect(readFileSync(join(data, 'rows'), 'utf8')).toBe('of 1.0.0');
    writeFileSync(join(data, 'rows'), 'it can be written to');
    const aside = `${data}.replaced-by-${name}`;
    expect(outcome.stderr).toContain(`what was there is in ${aside}`);
    expect(readFileSync(join(aside, 'rows'), 'utf8')).toBe('of 1.1.0');
    await ship('1.2.0');
    expect(await node.updater(['apply'])).toMatchObject({ code: 0 });
    expect(snapshots(), 'one is kept, the newest').toHaveLength(1);
    expect(snapshots()).not.toContain(name);
  });
});
