/** What a node believes while keys come and go: the stories of rotation, and what thieves and mirrors try. */
import { chmodSync, chownSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readRootFile } from '../../updater/records/root-file.ts';
import { errorOf } from '../harness/errors.ts';
import { settled, TrustScene } from '../harness/trust-scene.ts';

const INDEX = 'releases/manifest.json';
const HOUR = 3_600_000;

describe('a rotation', () => {
  it('replaces a stolen release key: the new one counts, the old one no more', async () => {
    const scene = await settled();
    const { a, r, s } = scene.keys;
    scene.show(scene.root(2, { root: [a], release: [s] }, [a]));
    scene.release(42, [s]);
    expect(await scene.sees()).toBe(42);
    expect(scene.kept()).toBe(2);
    scene.release(43, [r]);
    expect(await scene.sees()).toBe('NO_MANIFEST');
    // Also when nobody shows the new document any more.
    scene.hide(2);
    expect(await scene.sees()).toBe('NO_MANIFEST');
    scene.release(43, [s]);
    expect(await scene.sees()).toBe(43);
  });

  it('replaces the root keys one after the other, and the node walks all of it at once', async () => {
    const scene = await settled();
    const { a, b, c, r, s } = scene.keys;
    scene.show(scene.root(2, { root: [b], release: [r] }, [a, b]), ['one']);
    scene.show(scene.root(3, { root: [c], release: [r] }, [b, c]), ['two']);
    scene.show(scene.root(4, { root: [c], release: [s] }, [c]), ['three']);
    scene.release(42, [s]);
    expect(await scene.sees()).toBe(42);
    expect(scene.kept()).toBe(4);
  });

  it('raises the threshold of a channel, and lowers it again', async () => {
    const scene = await settled();
    const { a, r, s } = scene.keys;
    scene.show(scene.root(2, { root: [a], release: [r, s], releaseThreshold: 2 }, [a]));
    scene.release(42, [r], { root: 2 });
    expect(await scene.sees()).toBe('NO_MANIFEST');
    scene.release(42, [r, s], { root: 2 });
    expect(await scene.sees()).toBe(42);
    scene.show(scene.root(3, { root: [a], release: [s] }, [a]));
    scene.release(43, [s]);
    expect(await scene.sees()).toBe(43);
  });

  it('raises the threshold of the root keys, and lowers it again', async () => {
    const scene = await settled();
    const { a, b, c, r, s } = scene.keys;
    const two = { root: [a, b, c], rootThreshold: 2, release: [r] };
    scene.show(scene.root(2, two, [a, b]));
    scene.show(scene.root(3, { root: [c], release: [s] }, [a, c]));
    scene.release(42, [s]);
    expect(await scene.sees()).toBe(42);
    // One of three is not enough for the step after 2.
    const other = await settled();
    const keys = other.keys;
    const three = { root: [keys.a, keys.b, keys.c], rootThreshold: 2, release: [keys.r] };
    other.show(other.root(2, three, [keys.a, keys.b]));
    other.show(other.root(3, { root: [keys.a], release: [keys.s] }, [keys.a]));
    other.release(42, [keys.s]);
    expect(await other.sees()).toBe('NO_MANIFEST');
    expect(other.kept()).toBe(2);
  });

  it('takes an expired document on the way; an expired last one stops everything new', async () => {
    const scene = await settled();
    const { a, r, s } = scene.keys;
    const past = { published: '2025-01-01T00:00:00Z', expires: '2026-01-01T00:00:00Z' };
    scene.show(scene.root(2, { root: [a], release: [s] }, [a], past));
    scene.release(42, [s]);
    const { newest, mirrors } = await scene.look();
    expect(newest).toMatchObject({ code: 'root-expired' });
    expect(newest).toHaveProperty('reason', expect.stringContaining('root document 2 has expired'));
    expect(mirrors).toHaveLength(4);
    expect(readRootFile(scene.host().paths)).toMatchObject({
      version: 2,
      problem: expect.stringContaining('expired') as string,
    });
    scene.release(42, [r]);
    expect(await scene.sees()).toBe('root-expired');
    scene.show(scene.root(3, { root: [a], release: [s] }, [a]));
    scene.release(42, [s]);
    expect(await scene.sees()).toBe(42);
    expect(readRootFile(scene.host().paths)).not.toHaveProperty('problem');
  });

  it('sets the floor once, also down: the way back from a sequence far ahead', async () => {
    const scene = await settled();
    const { a, r, s } = scene.keys;
    const good = scene.release(41, [r]);
    scene.release(9000, [r]);
    const fast = await scene.look();
    if ('code' in fast.newest) throw new Error(fast.newest.reason);
    fast.host.store.raiseFloor(INDEX, fast.newest, new Date().toISOString());
    const floors = [{ channel: 'alpha', sequence: 41, sha256: good }];
    scene.show(scene.root(2, { root: [a], release: [s] }, [a], { floors }));
    scene.release(42, [s]);
    const floor = (): number | undefined => scene.host().store.floors.floors[0]?.sequence;
    // A look that may change nothing sees what would be, and leaves it.
    const foreseen = await scene.look({ keep: false });
    expect(foreseen.host.store.floors.floors[0]?.sequence).toBe(41);
    expect([floor(), scene.kept()]).toEqual([9000, 0]);
    const seen = await scene.look();
    expect([floor(), scene.kept()]).toEqual([41, 2]);
    if ('code' in seen.newest) throw new Error(seen.newest.reason);
    seen.host.store.raiseFloor(INDEX, seen.newest, new Date().toISOString());
    // A node that loses the step and takes it again does not fall back.
    rmSync(join(scene.folder, 'state/trust'), { recursive: true });
    expect(await scene.sees()).toBe(42);
    expect([floor(), scene.kept()]).toEqual([42, 2]);
  });
});

describe('a step is not taken', () => {
  type Attack = (scene: TrustScene) => void;
  it.each<[string, Attack, RegExp]>([
    [
      'when only the new keys signed it',
      (scene) => {
        const { b, s } = scene.keys;
        scene.show(scene.root(2, { root: [b], release: [s] }, [b]));
      },
      /by the root keys of version 1/,
    ],
    [
      'when only the old keys signed it',
      (scene) => {
        const { a, b, s } = scene.keys;
        scene.show(scene.root(2, { root: [b], release: [s] }, [a]));
      },
      /by its own root keys/,
    ],
    [
      'when the release key signed it',
      (scene) => {
        const { r } = scene.keys;
        scene.show(scene.root(2, { root: [r], release: [r] }, [r]));
      },
      /by the root keys of version 1/,
    ],
    [
      'when it is an old one under the next name',
      (scene) => {
        const { a, r } = scene.keys;
        scene.show(scene.root(1, { root: [a], release: [r] }, [a]), scene.names, 2);
      },
      /expected version 2, found 1/,
    ],
    [
      'when it skips one',
      (scene) => {
        const { a, s } = scene.keys;
        scene.show(scene.root(3, { root: [a], release: [s] }, [a]), scene.names, 2);
      },
      /expected version 2, found 3/,
    ],
    [
      'when it is of another app',
      (scene) => {
        const { a, s } = scene.keys;
        scene.show(scene.root(2, { root: [a], release: [s] }, [a], { app: 'atoll' }));
      },
      /of another app/,
    ],
    [
      'when it is a page of HTML',
      (scene) => {
        for (const name of scene.names) scene.write(name, 'trust/root-2.json', '<html>');
      },
      /not signed by enough/,
    ],
  ])('%s; the mirrors are named, and what was believed still is', async (_, attack, words) => {
    const scene = await settled();
    attack(scene);
    scene.askedAgo(25 * HOUR);
    const { newest, problems } = await scene.look();
    expect(newest).toMatchObject({ manifest: { sequence: 41 } });
    expect(
      problems.filter(({ problem }) => words.test(problem)).map(({ mirror }) => mirror),
    ).toEqual(scene.names);
    expect(scene.kept()).toBe(0);
    scene.release(42, [scene.keys.s]);
    expect(await scene.sees()).toBe('NO_MANIFEST');
  });

  it('when the one before it is missing', async () => {
    const scene = await settled();
    const { a, b, c, s } = scene.keys;
    scene.show(scene.root(3, { root: [c], release: [s] }, [b, c]));
    scene.release(42, [s]);
    expect(await scene.sees()).toBe('NO_MANIFEST');
    expect(scene.kept()).toBe(0);
    scene.show(scene.root(2, { root: [b], release: [s] }, [a, b]), ['three']);
    expect(await scene.sees()).toBe(42);
    expect(scene.kept()).toBe(3);
  });

  it('from a mirror that lies, while another has the right one: no veto', async () => {
    const scene = await settled();
    const { a, b, s } = scene.keys;
    scene.show(scene.root(2, { root: [b], release: [s] }, [b]), ['one', 'two']);
    scene.show(scene.root(2, { root: [a], release: [s] }, [a]), ['three']);
    scene.release(42, [s]);
    expect(await scene.sees()).toBe(42);
    expect(scene.kept()).toBe(2);
  });

  it('when there are two of its version: nothing is installed until one is gone', async () => {
    const scene = await settled();
    const { a, r, s } = scene.keys;
    const ours = scene.root(2, { root: [a], release: [s] }, [a]);
    scene.show(ours, ['one']);
    scene.show(scene.root(2, { root: [a], release: [r] }, [a], { reason: 'not ours' }), ['two']);
    scene.askedAgo(25 * HOUR);
    const { newest } = await scene.look();
    expect(newest).toMatchObject({ code: 'root-equivocation' });
    expect(newest).toHaveProperty('reason', expect.stringMatching(/'one' shows .*'two' shows /));
    expect(await scene.sees()).toBe('root-equivocation');
    expect(scene.kept()).toBe(0);
    scene.show(ours);
    scene.release(42, [s]);
    expect(await scene.sees()).toBe(42);
  });
});

it('another document of the version that was taken stops what is new, until it is gone', async () => {
  const scene = await settled();
  const { a, r, s } = scene.keys;
  const ours = scene.root(2, { root: [a], release: [s] }, [a]);
  scene.show(ours);
  scene.release(42, [s]);
  expect(await scene.sees()).toBe(42);
  scene.show(scene.root(2, { root: [a], release: [r] }, [a]), ['two']);
  expect(await scene.sees()).toBe(42);
  scene.askedAgo(25 * HOUR);
  const { newest } = await scene.look();
  expect(newest).toMatchObject({ code: 'root-equivocation' });
  expect(newest).toHaveProperty('reason', expect.stringMatching(/this node took .*'two' shows /));
  expect(await scene.sees()).toBe('root-equivocation');
  scene.show(ours);
  expect(await scene.sees()).toBe(42);
});

describe('the mirrors are asked for the next document', () => {
  it('once a day, and before that when a manifest names it', async () => {
    const scene = await settled();
    const { a, r } = scene.keys;
    scene.show(scene.root(2, { root: [a], release: [r] }, [a]));
    scene.askedAgo(23 * HOUR);
    expect([await scene.sees(), scene.kept()]).toEqual([41, 0]);
    scene.askedAgo(25 * HOUR);
    expect([await scene.sees(), scene.kept()]).toEqual([41, 2]);
    scene.show(scene.root(3, { root: [a], release: [r] }, [a]));
    scene.release(42, [r], { root: 2 });
    expect([await scene.sees(), scene.kept()]).toEqual([42, 2]);
    scene.release(43, [r], { root: 3 });
    expect([await scene.sees(), scene.kept()]).toEqual([43, 3]);
  });
});

describe('what was kept', () => {
  /** At version 3, where release key `t` counts. */
  async function walked(): Promise<TrustScene> {
    const scene = await settled();
    const { a, b, s, t } = scene.keys;
    scene.show(scene.root(2, { root: [b], release: [s] }, [a, b]));
    scene.show(scene.root(3, { root: [b], release: [t] }, [b]));
    scene.release(42, [t]);
    expect([await scene.sees(), scene.kept()]).toEqual([42, 3]);
    return scene;
  }
  const at = (scene: TrustScene, name: string): string => join(scene.folder, 'state/trust', name);

  it.each<[string, (scene: TrustScene) => void]>([
    ['a corrupt document', (scene) => writeFileSync(at(scene, 'root-2.json'), '{')],
    [
      'one with a byte changed',
      (scene) => {
        const text = readFileSync(at(scene, 'root-3.json'), 'utf8');
        writeFileSync(at(scene, 'root-3.json'), text.replace('version 3', 'version 4'));
      },
    ],
    ['a lost signature', (scene) => rmSync(at(scene, 'root-2.json.minisig'))],
    ['a lost document', (scene) => rmSync(at(scene, 'root-2.json'))],
    ['a corrupt newest.json', (scene) => writeFileSync(at(scene, 'newest.json'), '{')],
    ['a lost folder', (scene) => rmSync(join(scene.folder, 'state/trust'), { recursive: true })],
  ])('%s: the node walks again from where it can', async (_, spoil) => {
    const scene = await walked();
    spoil(scene);
    expect([await scene.sees(), scene.kept()]).toEqual([42, 3]);
    // And on: what was spoiled is whole again, without a mirror.
    for (const version of [2, 3]) scene.hide(version);
    expect(await scene.sees()).toBe(42);
  });

  it('and cannot be had again: nothing is installed, not even by the keys of before', async () => {
    const scene = await walked();
    rmSync(at(scene, 'root-2.json'));
    for (const version of [2, 3]) scene.hide(version);
    scene.release(43, [scene.keys.r]);
    const { newest } = await scene.look();
    expect(newest).toMatchObject({
      code: 'root-lost',
      reason: 'this node has known root document 3, and finds only 1 again',
    });
    expect(await scene.sees()).toBe('root-lost');
  });

  it('and was replaced on the mirrors by another chain: nothing is installed or kept', async () => {
    const scene = await walked();
    const { a, c, r } = scene.keys;
    rmSync(at(scene, 'root-2.json'));
    scene.show(scene.root(2, { root: [a, c], release: [r] }, [a]));
    scene.show(scene.root(3, { root: [a], release: [r] }, [a]));
    scene.show(scene.root(4, { root: [a], release: [r] }, [a]));
    scene.release(43, [r]);
    const { newest } = await scene.look();
    expect(newest).toMatchObject({ code: 'root-equivocation' });
    expect(newest).toHaveProperty('reason', expect.stringContaining('this node took'));
    expect(existsSync(at(scene, 'root-4.json'))).toBe(false);
  });

  it('belongs to its pin: a new pin, of a later version, begins a new chain', async () => {
    const scene = await walked();
    const { a, b, s } = scene.keys;
    scene.pinned(scene.root(2, { root: [b], release: [s] }, [b, a]));
    expect(await scene.sees()).toBe(42);
    scene.pinned(scene.root(7, { root: [a], release: [s] }, [a]));
    scene.release(43, [s]);
    expect(await scene.sees()).toBe(43);
  });
});

describe('the pin', () => {
  it('makes the name of the default channel known before anything was seen', async () => {
    const scene = new TrustScene();
    const { a, r } = scene.keys;
    scene.pinned(scene.root(1, { root: [a], release: [r] }, [a]));
    scene.release(41, [r], { channel: 'beta' });
    expect(await scene.sees()).toBe('NO_MANIFEST');
    const other = await scene.look({ top: 'channel = "beta"' });
    expect(other.newest).toMatchObject({ code: 'channel-unlisted' });
    const twice = await scene.look({ top: 'channel = "alpha"' });
    expect(twice.newest).toHaveProperty('hint', expect.stringContaining("leave 'channel' out"));
  });

  it.each<[string, (scene: TrustScene) => void, string]>([
    ['is missing', (scene) => rmSync(scene.pin), 'no such file'],
    ['lost its signature', (scene) => rmSync(`${scene.pin}.minisig`), 'not signed by enough'],
    ['can be written by others', (scene) => chmodSync(scene.pin, 0o664), 'written by others'],
    ['belongs to somebody else', (scene) => chownSync(scene.pin, 1234, 0), 'belongs to user 1234'],
    ['is no root document', (scene) => writeFileSync(scene.pin, '{"schema":1}'), 'schema'],
    [
      'is of another app',
      (scene) => {
        const { a, r } = scene.keys;
        scene.pinned(scene.root(1, { root: [a], release: [r] }, [a], { app: 'atoll' }));
      },
      "expected 'archipelago', found 'atoll'",
    ],
  ])('%s: wrong configuration, exit code 2', async (_, spoil, words) => {
    const scene = await settled();
    spoil(scene);
    const error = await errorOf(() => scene.look());
    expect(error).toMatchObject({ code: 'CONFIG', exit: 2 });
    expect(error.message).toContain(words);
    expect(error.hint).toBeDefined();
  });
});
