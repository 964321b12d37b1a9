/**
 * What cannot be seen from a signature: that it is old, that it is far ahead,
 * that nothing newer is ever shown. One test per attack.
 */
import { describe, expect, it } from 'vitest';
import { attackedNode, refused, underAttack } from '../harness/attacked-node.ts';
import type { ReleaseSpec } from '../harness/release-factory.ts';

const DAY = 86_400_000;

/** A release of 90 days that ends so many days from now. */
function ending(days: number): Partial<ReleaseSpec> {
  const at = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
  const end = Date.now() + days * DAY;
  return {
    change: (manifest) =>
      Object.assign(manifest, { published: at(end - 90 * DAY), expires: at(end) }),
  };
}

describe('fast-forward', () => {
  it('by a thief of the release key: left out, by all mirrors or by one', async () => {
    const scene = await attackedNode({ honest: 1 });
    const far = await scene.make('9.0.0', { change: (manifest) => (manifest.sequence = 1002) });
    const attack = (): void => scene.publish(far);
    expect(await underAttack(scene, attack)).toEqual(
      refused('fast-forward', 'expected sequence 1001 at most, found 1002'),
    );
    const next = await scene.make('1.1.0', {
      change: (manifest) => Object.assign(manifest, { sequence: 2, previous: null }),
    });
    scene.mirrors[1]?.publish(next);
    const { outcome, told } = await scene.update();
    expect(outcome, told).toBe('kept');
    expect(told).toContain('too far ahead');
    expect([scene.node.floor(), scene.node.page()]).toEqual([
      2,
      expect.stringContaining('version 1.1.0'),
    ]);
  });
});

describe('indefinite freeze', () => {
  it('of all mirrors: told before the end, and nothing is installed after it', async () => {
    const scene = await attackedNode({ first: ending(5) });
    const early = await scene.update();
    expect(early).toMatchObject({ outcome: 'declined', code: 'up-to-date' });
    expect(early.told).toMatch(/1\.0\.0 \(sequence 1\) ends .* no mirror shows anything newer/);
    const old = await scene.make('1.1.0', ending(-1));
    expect(await underAttack(scene, () => scene.publish(old))).toEqual(
      refused('expired', /no mirror shows anything newer than 1\.1\.0/),
    );
  });

  it('of one mirror: it is told to be behind, and the others are gone by', async () => {
    const scene = await attackedNode({ honest: 1 });
    scene.mirrors[1]?.publish(await scene.make('1.1.0'));
    const { outcome, told } = await scene.update();
    expect(outcome, told).toBe('kept');
    expect(told).toContain("mirror 'mirror-1': is behind: expected sequence 2, found 1");
  });
});
