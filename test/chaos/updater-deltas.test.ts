/** An update by delta is killed at every step of it; the next start ends where it was going. */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { visited } from '../harness/chaos.ts';
import { exampleWebUi, type Files, type Release } from '../harness/release-factory.ts';
import { makeWorld } from '../harness/world.ts';

const LARGE = randomBytes(200_000);
const POINTS = [
  'stage-delta-downloaded',
  'stage-delta-recorded',
  'stage-delta-applied',
  'stage-synced',
  'stage-inventoried',
];

describe('an update by delta', () => {
  it('is finished after a kill at each of its steps', async () => {
    const { node, ship } = await makeWorld();
    const webUi = (version: string): Files => ({ ...exampleWebUi(version), large: LARGE });
    let old: Release = await ship('1.0.0', { webUi: webUi('1.0.0') });
    expect((await node.updater(['apply'])).code).toBe(0);
    for (const [index, point] of visited('crash points of a delta', POINTS, 2).entries()) {
      const version = `1.${index + 1}.0`;
      const next = await ship(version, { webUi: webUi(version), deltasFrom: [old] });
      const killed = await node.updater(['apply'], { env: { LANDFALL_CRASH_AT: point } });
      expect(killed.signal, `${point}: ${killed.stderr}`).toBe('SIGKILL');
      expect(node.current(), point).toBe(old.deploymentId);
      const ended = await node.updater(['once']);
      expect(ended.code, `${point}: ${ended.stderr}`).toBe(0);
      expect(ended.stderr, point).toContain(`${version}.from-${old.manifest.version}.delta (`);
      expect(node.current(), point).toBe(next.deploymentId);
      expect(readFileSync(join(node.root, 'current/web-ui/large')).equals(LARGE)).toBe(true);
      expect(readdirSync(join(node.state, 'downloads')), point).toStrictEqual([]);
      expect(node.read('deltas.json'), point).toStrictEqual({ schema: 1, tried: [] });
      const hidden = readdirSync(join(node.root, 'deployments')).filter((name) => name[0] === '.');
      expect(hidden, point).toStrictEqual([]);
      old = next;
    }
  });
});
