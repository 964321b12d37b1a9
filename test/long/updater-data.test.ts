/** Hooks around a switch that fail in rarer ways, and kills at each of their steps. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeSite, migrate, rows, SNAPSHOT } from '../harness/data-site.ts';
import { makeWorld } from '../harness/world.ts';

describe('what must not run during a switch', () => {
  it.each([
    ['does not stop', 'case "$1 $2" in "stop b") exit 7 ;; esac', "service 'b' did not stop"],
    ['hangs', 'case "$1 $2" in "stop b") exec sleep 60 ;; esac', 'still running after'],
    ['has no snapshot', 'test $1 != create || { echo no room; exit 9; }', 'ended with 9: no room'],
  ])('and %s: nothing is switched, and what was stopped runs again', async (_, line, words) => {
    const { node, events, workers, setTrouble } = await makeSite(SNAPSHOT);
    writeFileSync(
      node.config,
      readFileSync(node.config, 'utf8').replaceAll('timeout = "5s"', 'timeout = "1s"'),
    );
    setTrouble(line);
    const outcome = await node.updater(['apply']);
    expect(outcome).toMatchObject({ code: 1 });
    expect(outcome.stderr).toContain(words);
    expect(node.page()).toContain('version 1.0.0');
    expect(node.quarantined()).toStrictEqual([]);
    expect(node.hasMarker()).toBe(false);
    expect(events().every((event) => event.endsWith('1.0.0'))).toBe(true);
    expect(workers()).toStrictEqual(['a', 'b']);
    expect((await node.updater(['history'])).stdout).toMatch(/not switched +1\.1\.0 +\S/);
    setTrouble('');
    expect((await node.updater(['apply'])).code).toBe(0);
    expect(node.page()).toContain('version 1.1.0');
  });

  it('goes on without a snapshot that is not required', async () => {
    const { node, setTrouble } = await makeSite([...SNAPSHOT, 'required = false']);
    setTrouble('test $1 != create || exit 9');
    const outcome = await node.updater(['apply']);
    expect(outcome).toMatchObject({ code: 0 });
    expect(outcome.stderr).toContain('going on without it: no snapshot of the data');
    expect(node.read('snapshots.json')).toStrictEqual({ schema: 1, snapshots: [] });
  });

  it('and does not start again leaves the release; the next start tries again', async () => {
    const { node, workers, setTrouble } = await makeSite();
    setTrouble('case "$1 $2" in "start a") echo broken; exit 3 ;; esac');
    const outcome = await node.updater(['apply']);
    expect(outcome).toMatchObject({ code: 1 });
    expect(outcome.stdout).toContain("service 'a' did not start again");
    expect(node.page()).toContain('version 1.0.0');
    expect(workers()).toStrictEqual(['b']);
    expect(node.read('quiesced.json')).toMatchObject({ names: ['a'] });
    setTrouble('');
    const verified = await node.updater(['verify']);
    expect(verified.stderr).toContain('an earlier run left a stopped: starting');
    expect(workers()).toStrictEqual(['a', 'b']);
  });

  it('runs again after a kill anywhere, once somebody looked', async () => {
    const site = await makeSite(SNAPSHOT);
    const { node, workers } = site;
    const points = [
      ...['quiesce-recorded', 'quiesce-stopped#2', 'did-quiesce', 'snapshot-recorded'],
      ...['snapshot-created', 'did-snapshot', 'did-switch', 'quiesce-started', 'quiesce-started#2'],
    ];
    for (const point of points) {
      const killed = await node.updater(['apply'], { env: { LANDFALL_CRASH_AT: point } });
      expect(killed, point).toMatchObject({ signal: 'SIGKILL' });
      await node.updater(['verify']);
      expect(workers(), point).toStrictEqual(['a', 'b']);
      expect(existsSync(join(node.state, 'quiesced.json')), point).toBe(false);
      expect(node.hasMarker(), point).toBe(false);
      if (node.page()?.includes('version 1.1.0') !== true) continue;
      const back = await node.updater(['rollback', '--reason', 'again']);
      expect(back, back.stderr).toMatchObject({ code: 0 });
      await node.updater(['apply', '1.1.0', '--lift-quarantine', '--dry-run']);
      rmSync(join(node.state, 'quarantine.json'));
    }
    writeFileSync(join(node.state, 'quiesced.json'), '{');
    expect((await node.updater(['verify'])).code).toBe(0);
    expect(workers(), 'what was stopped is not known: all are started').toStrictEqual(['a', 'b']);
  });
});

describe('a snapshot', () => {
  it('that was cut off while it came back is finished, and not twice', async () => {
    const site = await makeSite(SNAPSHOT);
    const { node } = site;
    const ask = ['rollback', '--restore-snapshot', '--reason', 'x'];
    await node.updater(['apply']);
    migrate(site);
    await node.updater(ask, { env: { LANDFALL_CRASH_AT: 'did-write-marker-rolling-back' } });
    expect(rows(site)).toBe('of 1.1.0');
    expect((await node.updater(ask)).code).toBe(0);
    expect(rows(site)).toBe('of 1.0.0');

    rmSync(join(node.state, 'quarantine.json'));
    await node.updater(['apply']);
    await node.updater(ask, { env: { LANDFALL_CRASH_AT: 'did-restore-snapshot' } });
    writeFileSync(join(site.data, 'rows'), 'written since');
    await node.updater(['verify']);
    expect(rows(site)).toBe('written since');
    expect(node.page()).toContain('version 1.0.0');
  });

  it('that cannot come back is said, and the release is left all the same', async () => {
    const site = await makeSite(SNAPSHOT);
    await site.node.updater(['apply']);
    site.setTrouble('test $1 != restore || { echo gone; exit 4; }');
    const outcome = await site.node.updater(['rollback', '--restore-snapshot', '--reason', 'x']);
    expect(outcome).toMatchObject({ code: 1 });
    expect(outcome.stdout).toContain("was not brought back: 'sh' ended with 4: gone");
    expect(site.node.page()).toContain('version 1.0.0');
    expect(site.workers()).toStrictEqual(['a', 'b']);
  });

  it('of ZFS is asked for with the arguments that zfs(8) documents', async () => {
    // No ZFS here: what is shown is what would be run, not that ZFS does it.
    const { node, folder, ship } = await makeWorld({
      tables: ['[snapshot]', 'type = "zfs"', 'dataset = "tank/data"', 'keep = 1'],
    });
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    const log = join(folder, 'zfs.log');
    writeFileSync(join(bin, 'zfs'), `#!/bin/sh\necho "$@" >> ${log}\n`, { mode: 0o755 });
    const env = { PATH: `${bin}:${process.env['PATH']}` };
    for (const version of ['1.0.0', '1.1.0']) {
      await ship(version);
      expect(await node.updater(['apply'], { env })).toMatchObject({ code: 0 });
    }
    await node.updater(['rollback', '--restore-snapshot', '--reason', 'x'], { env });
    const lines = readFileSync(log, 'utf8').replaceAll(/\d{8}T\d{6}Z/g, 'TIME');
    expect(lines.trimEnd().split('\n')).toStrictEqual([
      'snapshot tank/data@landfall-TIME-first',
      'snapshot tank/data@landfall-TIME-1.0.0',
      'destroy tank/data@landfall-TIME-first',
      'rollback tank/data@landfall-TIME-1.0.0',
    ]);
  });
});
