/** The look at all mirrors: what is well signed and yet not to be gone by, and what of it is told. */
import { join } from 'node:path';
import type { Manifest } from '@landfall/manifest';
import { publicKeyBase64, type SecretKey } from '@landfall/minisign';
import { describe, expect, it } from 'vitest';
import { findStaleness, timeFor } from '../../updater/freshness.ts';
import { judgeMirrors } from '../../updater/judgement.ts';
import { lookAtMirrors, type Look } from '../../updater/mirrors.ts';
import { judgeFreshness } from '../../updater/offer.ts';
import { writeLastCheck } from '../../updater/records/last-check-file.ts';
import { makeHost, type TestHost } from '../harness/host.ts';
import { testKey } from '../harness/minisign-keys.ts';
import { fillMirror, put, smallRelease } from '../harness/mirror-folder.ts';
import { verified } from '../harness/signed-manifests.ts';
import { temporaryFolder } from '../harness/temporary.ts';

const AT = '2026-04-22T19:00:00.000Z';
const INDEX = 'releases/manifest.json';
const NAMES = ['mirror', 'north', 'south'];
const DAY = 86_400_000;

interface Scene {
  host: TestHost;
  key: SecretKey;
  /** Publishes to some of the mirrors, all unless told; resolves to the digest. */
  publish: (sequence: number, change?: Change, to?: readonly string[]) => string;
  look: () => Promise<Look>;
}

type Change = (manifest: Manifest) => void;

/** A time so many days from now, as manifests write it. */
const inDays = (days: number): string =>
  new Date(Date.now() + days * DAY).toISOString().replace(/\.\d+Z$/, 'Z');
/** Signed yesterday, good for ninety days. */
const fresh: Change = (manifest) =>
  Object.assign(manifest, { published: inDays(-1), expires: inDays(89) });

/** A node whose floor is sequence 40, and three mirrors. */
function makeScene(top = ''): Scene {
  const folder = temporaryFolder();
  const key = testKey();
  const toml = ['north', 'south']
    .map((name) => `[[mirrors]]\ntype = "directory"\npath = "${join(folder, name)}"`)
    .join('\n');
  const host = makeHost({ folder, key: publicKeyBase64(key.publicKey), toml, top });
  for (const name of NAMES) put(join(folder, name), 'landfall-mirror.json', '{}\n');
  const publish: Scene['publish'] = (sequence, change = () => undefined, to = NAMES) => {
    const release = smallRelease([key], sequence, (manifest) => {
      fresh(manifest);
      change(manifest);
    });
    for (const name of to) fillMirror(join(folder, name), release);
    const { manifest } = release;
    return verified(key, manifest).sha256;
  };
  return { host, key, publish, look: () => lookAtMirrors(host) };
}

/** Accepts what all mirrors show. */
async function accept({ host, look }: Scene): Promise<void> {
  const { newest } = await look();
  if ('code' in newest) throw new Error(newest.reason);
  host.store.raiseFloor(INDEX, newest, AT);
}

const codes = ({ warnings }: Look): string[] => warnings.map(({ code }) => code);
const sequenceOf = ({ newest }: Look): unknown =>
  'code' in newest ? newest.code : newest.manifest.sequence;

describe('a fast-forward', () => {
  it('on one mirror is left out and told; the others are gone by', async () => {
    const scene = makeScene();
    scene.publish(40);
    await accept(scene);
    scene.publish(41, undefined, ['north', 'south']);
    scene.publish(1041, undefined, ['mirror']);
    const seen = await scene.look();
    expect(sequenceOf(seen)).toBe(41);
    expect(codes(seen)).toStrictEqual(['fast-forward']);
    expect(seen.problems).toMatchObject([{ mirror: 'mirror' }]);
    expect(seen.warnings[0]?.reason).toContain('expected sequence 1040 at most, found 1041');
  });

  it('on all mirrors is refused, and the bound is the configuration’s', async () => {
    const scene = makeScene('max_sequence_jump = 3');
    scene.publish(40);
    await accept(scene);
    scene.publish(44);
    expect(await judgeMirrors(scene.host, {})).toMatchObject({ decline: { code: 'fast-forward' } });
    scene.publish(43);
    expect(sequenceOf(await scene.look())).toBe(43);
  });

  it('is recovered from by the floors of a root document', async () => {
    const scene = makeScene();
    scene.publish(900);
    await accept(scene);
    const sha256 = scene.publish(41);
    expect(await judgeMirrors(scene.host, {})).toMatchObject({ decline: { code: 'below-floor' } });
    const { channel } = verified(scene.key).manifest;
    const reset = { app: 'archipelago', index: INDEX, channel, sequence: 41, sha256, root: 2 };
    scene.host.store.resetFloors([reset], AT);
    expect((await judgeMirrors(scene.host, {})).decline?.code).not.toBe('below-floor');
    scene.publish(41, (manifest) => (manifest.notes = 'not this one'));
    expect(await judgeMirrors(scene.host, {})).toMatchObject({ decline: { code: 'equivocation' } });
  });
});

describe('equivocation', () => {
  it('among the mirrors: neither is taken, and both are named', async () => {
    const scene = makeScene();
    scene.publish(41);
    scene.publish(41, (manifest) => (manifest.notes = 'other words'), ['south']);
    const seen = await scene.look();
    expect(sequenceOf(seen)).toBe('equivocation');
    expect(seen.warnings[0]?.reason).toMatch(
      /^two different manifests have sequence 41: 'mirror' shows 1\.0\.41 \(.{12}…\), 'north' shows .*, 'south' shows/,
    );
  });

  it('against what was accepted: not taken, and the mirrors are named', async () => {
    const scene = makeScene();
    scene.publish(41);
    await accept(scene);
    scene.publish(41, (manifest) => (manifest.notes = 'other words'));
    const { decline } = await judgeMirrors(scene.host, {});
    expect(decline).toMatchObject({ code: 'equivocation' });
    expect(decline?.reason).toMatch(/sequence 41: this node accepted .{12}…, 'mirror' shows/);
  });

  it('of older manifests, also of the one that the newest follows, is told and has no veto', async () => {
    const scene = makeScene();
    scene.publish(40);
    await accept(scene);
    const other = scene.publish(40, (manifest) => (manifest.notes = 'other words'), ['south']);
    const follow: Change = (m) => (m.previous = { sequence: 40, sha256: other });
    scene.publish(41, follow, ['mirror', 'north']);
    const seen = await scene.look();
    expect(sequenceOf(seen)).toBe(41);
    expect(codes(seen)).toStrictEqual(['equivocation', 'fork', 'fork']);
    expect(seen.warnings[0]?.reason).toContain('this node accepted');
    expect(seen.warnings[0]?.reason).toContain("'south' shows 1.0.40");
    expect(seen.warnings[1]?.reason).toContain(
      "1.0.41 of 'mirror' follows another manifest of sequence 40 than this node accepted",
    );
  });
});

describe('mirrors that show nothing new', () => {
  it('all of them: told when the end is near, refused and told when it has come', async () => {
    const scene = makeScene();
    scene.publish(41, (m) => Object.assign(m, { published: inDays(-70), expires: inDays(20) }));
    expect(codes(await scene.look())).toStrictEqual([]);
    scene.publish(42, (m) => Object.assign(m, { published: inDays(-80), expires: inDays(10) }));
    expect(codes(await scene.look())).toStrictEqual(['expiring']);
    scene.publish(43, (m) => Object.assign(m, { published: inDays(-90), expires: inDays(-1) }));
    const seen = await scene.look();
    expect(codes(seen)).toStrictEqual(['frozen']);
    expect(seen.warnings[0]?.reason).toContain('no mirror shows anything newer than 1.0.43');
    expect(await judgeMirrors(scene.host, {})).toMatchObject({ decline: { code: 'expired' } });
  });

  it('one of them: told since when, as long as the others go on', async () => {
    const scene = makeScene();
    scene.publish(40);
    const { shown } = await scene.look();
    const since = new Date(Date.now() - 3 * DAY).toISOString();
    writeLastCheck(scene.host.paths.lastCheck, {
      at: since,
      problems: [],
      mirrors: 3,
      shown: shown.map((each) => ({ ...each, since })),
    });
    scene.publish(41, undefined, ['mirror', 'north']);
    const seen = await scene.look();
    expect(seen.problems).toStrictEqual([
      {
        mirror: 'south',
        problem: `is behind: expected sequence 41, found 40, the same since ${since}`,
      },
    ]);
    expect(seen.shown.map((each) => each.since === since)).toStrictEqual([false, false, true]);
  });
});

describe('expiry with a clock that is wrong', () => {
  const judge = ({ host, key }: Scene, now: string): string | undefined => {
    const changes = {
      sequence: 41,
      published: '2026-03-01T00:00:00Z',
      expires: '2026-05-01T00:00:00Z',
    };
    const release = verified(key, changes);
    return judgeFreshness(host.config, host.store, release, new Date(now))?.code;
  };

  it('goes by the newest signed time where the clock is behind it', () => {
    const scene = makeScene();
    expect(judge(scene, '1970-01-01T00:00:00Z')).toBeUndefined();
    const elsewhere = verified(scene.key, {
      sequence: 7,
      previous: null,
      published: '2026-05-02T00:00:00Z',
    });
    scene.host.store.raiseFloor('releases/beta/manifest.json', elsewhere, AT);
    expect(judge(scene, '1970-01-01T00:00:00Z')).toBe('expired');
    expect(judge(scene, '2026-04-01T00:00:00Z')).toBe('expired');
  });

  it.each([
    ['1970-01-01T00:00:00Z', ['clock'], /expected 2026-05-02 or later, found 1970-01-01/],
    ['2106-02-07T06:28:15Z', ['clock'], /expected an earlier one, found 2106-02-07/],
    ['2026-05-03T00:00:00Z', [], /^undefined$/],
  ])('is told: %s', (text, expected, words) => {
    const { host, key } = makeScene();
    const seen = verified(key, { published: '2026-05-02T00:00:00Z' });
    host.store.raiseFloor(INDEX, seen, AT);
    const now = new Date(text);
    const found = findStaleness(seen, timeFor(host.store.floors, INDEX, seen, now), now);
    expect(found.map(({ code }) => code)).toStrictEqual(expected);
    expect(String(found[0]?.reason)).toMatch(words);
  });

  it('leaves it to the sequence where the clock is ahead of all times', () => {
    const scene = makeScene();
    expect(judge(scene, '2027-01-01T00:00:00Z')).toBe('expired');
    expect(judge(scene, '2106-02-07T06:28:15Z')).toBeUndefined();
    scene.host.store.raiseFloor(INDEX, verified(scene.key, { sequence: 42 }), AT);
    expect(judge(scene, '2106-02-07T06:28:15Z')).toBe('below-floor');
  });
});
