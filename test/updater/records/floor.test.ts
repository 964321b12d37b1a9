import type { Manifest } from '@landfall/manifest';
import type { VerifiedManifest } from '@landfall/trust';
import { array, assert, constantFrom, integer, property, record } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rmSync, writeFileSync } from 'node:fs';
import { mergeFloors } from '../../../updater/records/floor-copy.ts';
import {
  findAccepted,
  findFloor,
  NO_FLOORS,
  raiseFloor,
  resetFloor,
  signedTimeFor,
  type FloorFile,
} from '../../../updater/records/floor-file.ts';
import { Store } from '../../../updater/records/store.ts';
import { makeHost, type TestHost } from '../../harness/host.ts';
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

  it('remembers what was accepted before, as far as is of use', () => {
    let file: FloorFile = NO_FLOORS;
    for (let sequence = 1; sequence <= 50; sequence += 1) {
      file = raiseFloor(file, INDEX, verified(sequence), AT);
    }
    const entry = findFloor(file, 'archipelago', INDEX);
    expect(findAccepted(entry, 50)?.sha256).toBe('50'.padStart(64, '0'));
    expect(findAccepted(entry, 30)?.sha256).toBe('30'.padStart(64, '0'));
    expect(findAccepted(entry, 5)).toBeUndefined();
  });
});

describe('the newest signed time', () => {
  const published = (sequence: number, time: string): Parameters<typeof raiseFloor>[2] =>
    verified(sequence, { published: time });
  const judge = (file: FloorFile, index: string, sequence: number): string | undefined =>
    signedTimeFor(file, index, { app: 'archipelago', sequence });

  it('is the latest that any channel said, and what a manifest supersedes says nothing about it', () => {
    let file = raiseFloor(NO_FLOORS, INDEX, published(3, '2026-05-01T00:00:00Z'), AT);
    file = raiseFloor(
      file,
      'releases/beta/manifest.json',
      published(9, '2026-04-01T00:00:00Z'),
      AT,
    );
    expect(judge(file, 'releases/beta/manifest.json', 10)).toBe('2026-05-01T00:00:00Z');
    expect(judge(file, INDEX, 3)).toBe('2026-05-01T00:00:00Z');
    expect(judge(file, INDEX, 4)).toBeUndefined();
  });

  it('that was signed far ahead by mistake is corrected by the next manifest', () => {
    let file = raiseFloor(NO_FLOORS, INDEX, published(3, '2036-05-01T00:00:00Z'), AT);
    file = raiseFloor(file, INDEX, published(4, '2026-05-02T00:00:00Z'), AT);
    expect(file.time?.at).toBe('2026-05-02T00:00:00Z');
  });
});

describe('a floor that a root document sets', () => {
  const reset = { app: 'archipelago', index: INDEX, channel: 'alpha', sequence: 41, root: 2 };
  const stolen = raiseFloor(
    raiseFloor(NO_FLOORS, INDEX, verified(40), AT),
    INDEX,
    verified(900, { published: '2036-01-01T00:00:00Z' }),
    AT,
  );
  const back = resetFloor(stolen, { ...reset, sha256: 'e'.repeat(64) }, AT);

  it('takes back with it what a thief said of the time and of what came before', () => {
    expect(stolen.time?.at).toBe('2036-01-01T00:00:00Z');
    expect(back.time).toBeUndefined();
    expect(findAccepted(findFloor(back, 'archipelago', INDEX), 40)).toBeUndefined();
  });

  it('is not undone by the copy of before, nor by a backup of before', () => {
    expect(mergeFloors(back, stolen), 'stopped before the copy').toStrictEqual({ file: back });
    const restored = mergeFloors(stolen, back);
    expect(findFloor(restored.file, 'archipelago', INDEX)).toMatchObject({ sequence: 41, root: 2 });
  });
});

describe('a state folder that was restored from a backup', () => {
  const raise = (host: TestHost, sequence: number): void => {
    const { manifest, sha256 } = verified(sequence);
    const seen: VerifiedManifest = { manifest, sha256, bytes: new Uint8Array(), signers: [] };
    host.store.raiseFloor(INDEX, seen, AT);
  };
  const reopen = ({ paths }: TestHost): Store => new Store(paths, { preserve: false });

  it.each(['older', 'gone'])('%s: the copy beside the releases holds', (how) => {
    const host = makeHost();
    raise(host, 3);
    const backup = JSON.stringify(host.store.floors);
    raise(host, 5);
    expect(reopen(host).floorKeeper.lost).toBeUndefined();
    rmSync(host.paths.floor);
    if (how === 'older') writeFileSync(host.paths.floor, backup);
    const { floors, floorKeeper } = reopen(host);
    expect(findFloor(floors, 'archipelago', INDEX)?.sequence).toBe(5);
    const found = how === 'older' ? 3 : 'none';
    expect(floorKeeper.lost).toBe(`expected sequence 5 of channel 'alpha', found ${found}`);
    floorKeeper.keepLost('in words', AT);
    expect(reopen(host).floors).toMatchObject({ restored: { at: AT, reason: 'in words' } });
    expect(reopen(host).floorKeeper.lost, 'said once').toBeUndefined();
  });

  it('needs no copy that makes sense, and makes one again', () => {
    const host = makeHost();
    raise(host, 5);
    writeFileSync(host.paths.floorCopy, '{');
    const again = { ...host, store: reopen(host) };
    expect(findFloor(again.store.floors, 'archipelago', INDEX)?.sequence).toBe(5);
    raise(again, 5);
    rmSync(host.paths.floor);
    expect(findFloor(reopen(host).floors, 'archipelago', INDEX)?.sequence).toBe(5);
  });
});
