/** `updater verify` where nothing is left to settle: it asks what runs, and changes nothing. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { TestNode } from '../harness/node.ts';
import { makeWorld } from '../harness/world.ts';

/** What a probe of what was committed must not change. */
function kept(node: TestNode): unknown {
  const read = (name: string): string => readFileSync(join(node.state, name), 'utf8');
  const logs = join(node.state, 'logs');
  return [
    node.current(),
    read('state.json'),
    read('journal.jsonl'),
    existsSync(logs) ? readdirSync(logs) : [],
  ];
}

it('tells whether what was committed passes now, and leaves everything as it is', async () => {
  const { node, ship } = await makeWorld();
  await ship('1.0.0');
  expect((await node.updater(['apply'])).code).toBe(0);
  const before = kept(node);
  const well = await node.updater(['verify']);
  expect(well).toMatchObject({ code: 0 });
  expect(well.stdout).toBe("1.0.0 runs and passes: page and 4 assets are this release's\n");

  node.web.fault = () => 'drop';
  const dead = await node.updater(['verify']);
  expect(dead.code).toBe(1);
  expect(dead.stdout).toMatch(
    /^1\.0\.0 runs and does not pass: http:.*\n {2}hint: look at the web/,
  );
  expect(await node.json(['verify'])).toMatchObject({
    state: { name: 'committed', running: { proof: { rank: 'healthy' } } },
    left: null,
    probe: { rank: 'refused' },
  });
  const boot = await node.updater(['verify', '--boot']);
  expect(boot.code, 'no boot fails for it').toBe(0);
  expect(boot.stdout).toMatch(/^1\.0\.0 runs: .*, as of \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n$/);
  expect(await node.json(['verify', '--boot'])).toMatchObject({ probe: null });
  expect((await node.updater(['verify', '--dry-run'])).stdout).toBe(
    'nothing is left to settle; 1.0.0 would be probed\n',
  );
  expect((await node.updater(['verify', '--boot', '--dry-run'])).stdout).toBe(
    'nothing is left to settle\n',
  );
  expect(kept(node)).toStrictEqual(before);
});

it('probes what an update was undone to before its switch, and what was rolled back to earlier', async () => {
  const { node, ship } = await makeWorld();
  await ship('1.0.0');
  expect((await node.updater(['apply'])).code).toBe(0);
  await ship('1.1.0');
  const killed = await node.updater(['apply'], {
    env: { LANDFALL_CRASH_AT: 'did-write-marker-prepared' },
  });
  expect(killed.signal).toBe('SIGKILL');
  node.web.fault = () => 'drop';
  const undone = await node.updater(['verify']);
  expect(undone.code).toBe(1);
  expect(undone.stdout).toContain('1.0.0 runs and does not pass: ');
  expect(node.hasMarker()).toBe(false);
  expect(node.stateName()).toBe('committed');

  node.web.fault = ({ target }) => (target.includes('/1.1.0-') ? { status: 500 } : undefined);
  expect((await node.updater(['apply'])).code).toBe(1);
  expect(await node.json(['verify'])).toMatchObject({ probe: { rank: 'healthy' } });
  node.web.fault = () => 'drop';
  const left = await node.updater(['verify']);
  expect(left.code).toBe(1);
  expect(left.stdout).toMatch(
    /^rolled back from 1\.1\.0 to 1\.0\.0: .*\n1\.0\.0 runs and does not pass: /,
  );
  expect(node.stateName()).toBe('rolled-back');
});

it('probes nothing twice, and a node on which nothing runs not at all', async () => {
  const { node, ship } = await makeWorld({ top: ['probation = "1h"'] });
  const empty = await node.updater(['verify']);
  expect(empty).toMatchObject({ code: 0, stdout: 'nothing is installed\n' });
  await ship('1.0.0');
  expect((await node.updater(['apply'])).code).toBe(0);
  const before = node.web.requests.length;
  expect(await node.json(['verify'])).toMatchObject({ state: { name: 'probation' }, probe: null });
  const inARow = 3;
  const files = 5;
  expect(node.web.requests.length - before).toBe(inARow * files);
});
