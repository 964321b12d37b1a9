/** SIGKILL at every crash point on the way to the golden deployment: the next starts end on it, whole. */
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeWorld } from '../harness/world.ts';

it('the way to the golden deployment, cut off anywhere, is gone to its end', async () => {
  const { node, ship, folder } = await makeWorld();
  const ids: string[] = [];
  for (const version of ['1.0.0', '1.1.0', '1.2.0']) {
    ids.push((await ship(version)).deploymentId);
    expect((await node.updater(['apply'])).code).toBe(0);
  }
  const [golden = '', ...others] = ids;
  expect((await node.updater(['golden', '1.0.0'])).code).toBe(0);
  for (const id of others) {
    writeFileSync(join(node.root, 'deployments', id, 'web-ui/index.html'), 'a hand was here');
  }
  const kept = join(folder, 'kept');
  const copy = (from: string, to: string): void => {
    for (const name of ['root', 'state']) {
      rmSync(join(to, name), { recursive: true, force: true });
      cpSync(join(from, name), join(to, name), {
        recursive: true,
        verbatimSymlinks: true,
        preserveTimestamps: true,
      });
    }
  };
  copy(node.folder, kept);
  const trace = join(folder, 'trace');
  await node.updater(['verify'], { env: { LANDFALL_CRASH_TRACE: trace } });
  const points = readFileSync(trace, 'utf8').trim().split('\n');
  expect(points).toContain('did-write-marker-rolling-back#1');
  expect(points).toContain('did-remove-marker#1');

  for (const point of points) {
    copy(kept, node.folder);
    const killed = await node.updater(['verify'], { env: { LANDFALL_CRASH_AT: point } });
    expect(killed.signal, point).toBe('SIGKILL');
    await node.updater(['verify']);
    const after = await node.updater(['verify']);
    expect(after, point).toMatchObject({ code: 0 });
    expect(node.current(), point).toBe(golden);
    expect(node.page(), point).toContain('version 1.0.0');
    expect(node.hasMarker(), point).toBe(false);
    expect(node.stateName(), point).toBe('rolled-back');
    const switched = node.journal().filter((line) => line['effect'] === 'switch');
    const back = switched.slice(3).map((line) => line['deployment']);
    expect(new Set(back), `${point}: nowhere else`).toStrictEqual(new Set([golden]));
    expect(readdirSync(join(node.root, 'deployments'))).toContain(golden);
  }
  console.log(`${points.length} crash points`);
});
