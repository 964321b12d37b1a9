import type { Manifest } from '@landfall/manifest';
import { array, assert, constantFrom, integer, property, record } from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  findFloor,
  NO_FLOORS,
  raiseFloor,
  resetFloor,
  type FloorFile,
} from '../../../updater/records/floor-file.ts';
import { exampleManifest } from '../../harness/manifests.ts';

const AT = '2026-04-22T19:00:00.000Z';
const INDEX = 'releases/manifest.json';

function verified(
  sequence: number,
  more: Partial<Manifest> = {},
): Parameters<typeof raiseFloor>[2] {
  const manifest = { ...exampleManifest(), sequence, ...more };
  return { manifest, sha256: String(sequence).padStart(64, '0') };
}

describe('the floor', () => {
  it('never goes down, whatever is offered in whatever order', () => {
    const offers = array(
      record({
        sequence: integer({ min: 1, max: 50 }),
        app: constantFrom('a', 'b'),
        index: constantFrom(INDEX, 'releases/beta/manifest.json'),
      }),
    );
    assert(
      property(offers, (list) => {
        let file: FloorFile = NO_FLOORS;
        const highest = new Map<string, number>();
        for (const { sequence, app, index } of list) {
          file = raiseFloor(file, index, verified(sequence, { app }), AT);
          const key = `${app} ${index}`;
          highest.set(key, Math.max(sequence, highest.get(key) ?? 0));
          for (const [each, expected] of highest) {
            const [ofApp = '', ofIndex = ''] = each.split(' ');
            if (findFloor(file, ofApp, ofIndex)?.sequence !== expected) throw new Error(each);
          }
        }
      }),
      { seed: 7 },
    );
  });

  it('keeps the bytes of the first manifest of a sequence', () => {
    const file = raiseFloor(NO_FLOORS, INDEX, verified(3), AT);
    const twin = { ...verified(3), sha256: 'f'.repeat(64) };
    expect(raiseFloor(file, INDEX, twin, AT)).toBe(file);
    expect(findFloor(file, 'archipelago', INDEX)).toMatchObject({ channel: 'alpha', sequence: 3 });
  });

  it('is set by a root document once, also downwards; later versions set it again', () => {
    const reset = (sequence: number, root: number): Parameters<typeof resetFloor>[1] => ({
      app: 'archipelago',
      index: INDEX,
      channel: 'alpha',
      sequence,
      sha256: String(sequence).padStart(64, '0'),
      root,
    });
    const far = raiseFloor(NO_FLOORS, INDEX, verified(9000), AT);
    const back = resetFloor(far, reset(41, 2), AT);
    expect(findFloor(back, 'archipelago', INDEX)?.sequence).toBe(41);
    const on = raiseFloor(back, INDEX, verified(43), AT);
    expect(findFloor(on, 'archipelago', INDEX)?.sequence).toBe(43);
    for (const root of [1, 2]) expect(resetFloor(on, reset(41, root), AT)).toBe(on);
    expect(findFloor(resetFloor(on, reset(42, 3), AT), 'archipelago', INDEX)?.sequence).toBe(42);
  });
});
