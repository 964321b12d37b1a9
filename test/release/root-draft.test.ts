/** What `release trust rotate` makes of a root document, and what it does not make. */
import { formatKeyId, publicKeyBase64, type SecretKey } from '@landfall/minisign';
import { serializeRoot } from '@landfall/trust';
import { describe, expect, it } from 'vitest';
import { firstRoot, nextRoot, type RootChanges } from '../../release/root-draft.ts';
import { errorOf } from '../harness/errors.ts';
import { testKey } from '../harness/minisign-keys.ts';
import { rootOf } from '../harness/roots.ts';

const NOW = new Date('2026-05-01T12:00:00.500Z');
const FLOOR = { sequence: 41, sha256: 'a'.repeat(64) };

function change(changes: Partial<RootChanges>): RootChanges {
  return {
    rootKeys: [],
    rootThreshold: undefined,
    keys: [],
    thresholds: [],
    drop: [],
    dropChannels: [],
    floors: new Map(),
    expiresDays: 30,
    reason: 'because',
    ...changes,
  };
}

function line(key: SecretKey): string {
  return publicKeyBase64(key.publicKey);
}

function setUp() {
  const [root, release, other] = [testKey(), testKey(), testKey()];
  return { root, release, other, current: rootOf(1, { root: [root], release: [release] }) };
}

describe('the next version', () => {
  it('only lasts longer when nothing else is to change', () => {
    const { current } = setUp();
    expect(nextRoot(current, change({}), NOW)).toEqual({
      ...current,
      version: 2,
      published: '2026-05-01T12:00:00Z',
      expires: '2026-05-31T12:00:00Z',
      reason: 'because',
    });
  });

  it('drops a key by its id or line everywhere, and sets the floor it is told once', async () => {
    const { root, release, other, current } = setUp();
    const next = nextRoot(
      current,
      change({
        drop: [formatKeyId(release.keyId), line(root)],
        keys: [{ channel: 'alpha', key: line(other) }],
        rootKeys: [line(other)],
        floors: new Map([['alpha', FLOOR]]),
      }),
      NOW,
    );
    expect(next.root.keys).toEqual([line(other)]);
    expect(next.channels[0]?.keys).toEqual([line(other)]);
    expect(next.floors).toEqual([{ channel: 'alpha', ...FLOOR }]);
    expect(() => serializeRoot(next)).not.toThrow();
    // A floor is of one version: carried on, it would set nodes back again.
    expect(nextRoot(next, change({}), NOW).floors).toBeUndefined();
  });

  it('adds a key or a channel, and lowers a threshold, without asking for a floor', () => {
    const { other, current } = setUp();
    const keys = ['alpha', 'beta'].map((channel) => ({ channel, key: line(other) }));
    const next = nextRoot(current, change({ keys }), NOW);
    expect(next.channels.map((each) => [each.channel, each.keys.length])).toEqual([
      ['alpha', 2],
      ['beta', 1],
    ]);
    const thresholds = [{ channel: 'alpha', threshold: 2 }];
    const floors = new Map([['alpha', undefined]]);
    const raised = nextRoot(next, change({ thresholds, floors }), NOW);
    expect(raised.floors).toBeUndefined();
    const lower = [{ channel: 'alpha', threshold: 1 }];
    expect(nextRoot(raised, change({ thresholds: lower }), NOW).channels[0]?.threshold).toBe(1);
  });

  it.each<[string, (keys: ReturnType<typeof setUp>) => Partial<RootChanges>, RegExp]>([
    [
      'keys replaced without the last good release',
      ({ release, other }) => ({
        drop: [line(release)],
        keys: [{ channel: 'alpha', key: line(other) }],
      }),
      /--floor: expected the last good release of channel 'alpha'/,
    ],
    [
      'a threshold raised without it',
      ({ other }) => ({
        keys: [{ channel: 'alpha', key: line(other) }],
        thresholds: [{ channel: 'alpha', threshold: 2 }],
      }),
      /--floor: expected/,
    ],
    [
      'a key that is not listed',
      ({ other }) => ({ drop: [line(other)] }),
      /--drop: expected a key/,
    ],
    [
      'the only key of a channel',
      ({ release }) => ({ drop: [line(release)], floors: new Map([['alpha', FLOOR]]) }),
      /channel 'alpha': expected at least one key that may sign, found none/,
    ],
    ['the only root key', ({ root }) => ({ drop: [line(root)] }), /the root document itself/],
    [
      'a threshold of a channel that is not there',
      () => ({ thresholds: [{ channel: 'stable', threshold: 1 }] }),
      /--threshold: expected one of alpha, found 'stable'/,
    ],
    [
      'a floor of a channel that is not there',
      () => ({ floors: new Map([['stable', FLOOR]]) }),
      /--floor: expected one of alpha/,
    ],
  ])('is not made for %s', async (_, changes, message) => {
    const keys = setUp();
    const error = await errorOf(() => nextRoot(keys.current, change(changes(keys)), NOW));
    expect(error).toMatchObject({ code: 'USAGE', message: expect.stringMatching(message) });
  });
});

describe('the first version', () => {
  it('needs keys for itself and for the default channel', async () => {
    const { root, release } = setUp();
    const keys = [{ channel: 'stable', key: line(release) }];
    const first = firstRoot('archipelago', 'stable', change({ rootKeys: [line(root)], keys }), NOW);
    expect(first).toMatchObject({ version: 1, app: 'archipelago', channel: 'stable' });
    expect(() => serializeRoot(first)).not.toThrow();
    const error = await errorOf(() => firstRoot('archipelago', 'stable', change({ keys }), NOW));
    expect(error.message).toContain('the root document itself: expected at least one key');
  });
});
