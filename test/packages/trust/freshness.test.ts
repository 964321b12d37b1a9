import { checkExpiry, checkFloor, checkJump, type Floor, readTime } from '@landfall/trust';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../harness/errors.ts';
import { testKey } from '../../harness/minisign-keys.ts';
import { verified } from '../../harness/signed-manifests.ts';

describe('checkFloor', () => {
  it('takes anything on a node that has accepted nothing yet', () => {
    expect(() =>
      checkFloor(verified(testKey(), { sequence: 1, previous: null }), undefined),
    ).not.toThrow();
  });

  it('takes what is newer, and the accepted manifest again', () => {
    const manifest = verified(testKey());
    const floors: Floor[] = [
      { sequence: 40, sha256: 'a'.repeat(64) },
      { sequence: 1, sha256: 'a'.repeat(64) },
      { sequence: 41, sha256: manifest.sha256 },
    ];
    for (const floor of floors) expect(() => checkFloor(manifest, floor)).not.toThrow();
  });

  it.each<[string, (sha256: string) => Floor, string, string]>([
    [
      'an older manifest',
      () => ({ sequence: 42, sha256: 'a'.repeat(64) }),
      'BELOW_FLOOR',
      'expected sequence 42 or more, found 41',
    ],
    [
      'an older manifest, also one whose bytes are those of the floor',
      (sha256) => ({ sequence: 42, sha256 }),
      'BELOW_FLOOR',
      'release 1.7.41-alpha is older than what this node has accepted',
    ],
    [
      'another manifest of the same sequence',
      () => ({ sequence: 41, sha256: 'a'.repeat(64) }),
      'EQUIVOCATION',
      'two different manifests have sequence 41: expected the accepted one, sha256 aaaaaaaaaaaa…',
    ],
  ])('refuses %s', async (_, floor, code, message) => {
    const manifest = verified(testKey());
    const error = await errorOf(() => checkFloor(manifest, floor(manifest.sha256)));
    expect(error.code).toBe(code);
    expect(error.message).toContain(message);
    expect(error.hint).toBeDefined();
    expect(error.exit).toBe(3);
  });

  it('refuses a release re-signed with one word changed', async () => {
    const key = testKey();
    const accepted = verified(key);
    const floor = { sequence: 41, sha256: accepted.sha256 };
    const other = verified(key, { notes: 'what else changed' });
    expect((await errorOf(() => checkFloor(other, floor))).code).toBe('EQUIVOCATION');
  });
});

describe('checkJump', () => {
  const floor = { sequence: 40, sha256: 'a'.repeat(64) };

  it('takes what is so far ahead at most, and anything on a node without a floor', () => {
    const release = verified(testKey(), { sequence: 1040 });
    expect(() => checkJump(release, floor, 1000)).not.toThrow();
    expect(() => checkJump(release, undefined, 1)).not.toThrow();
  });

  it('refuses a fast-forward', async () => {
    const release = verified(testKey(), { sequence: 1041 });
    const error = await errorOf(() => checkJump(release, floor, 1000));
    expect(error.code).toBe('FAST_FORWARD');
    expect(error.message).toContain('expected sequence 1040 at most, found 1041');
    expect(error.hint).toContain('max_sequence_jump');
    expect(error.exit).toBe(3);
  });
});

describe('readTime', () => {
  const SIGNED = '2026-04-22T19:00:00Z';
  it.each([
    ['that is right', '2026-04-23T00:00:00Z', 'plausible', '2026-04-23T00:00:00Z'],
    ['that is some minutes behind', '2026-04-22T18:10:00Z', 'plausible', SIGNED],
    ['of 1970', '1970-01-01T00:00:00Z', 'behind', SIGNED],
    ['of last year', '2025-12-31T00:00:00Z', 'behind', SIGNED],
    ['of 2106', '2106-02-07T06:28:15Z', 'ahead', SIGNED],
  ])('judges by what is known, with a clock %s', (_, clock, state, now) => {
    expect(readTime(new Date(clock), SIGNED)).toStrictEqual({ clock: state, now: new Date(now) });
  });

  it('knows without anything signed that it is not before its own time', () => {
    const { clock, now } = readTime(new Date(0));
    expect([clock, now.toISOString()]).toStrictEqual(['behind', '2026-01-01T00:00:00.000Z']);
  });
});

describe('checkExpiry', () => {
  const expires = Date.parse('2026-07-21T19:00:00Z');

  it('takes a manifest until its last millisecond', () => {
    expect(() => checkExpiry(verified(testKey()), new Date(expires - 1))).not.toThrow();
  });

  it.each([0, 1, 365 * 86_400_000])('refuses it %d ms after its end', async (ms) => {
    const now = new Date(expires + ms);
    const error = await errorOf(() => checkExpiry(verified(testKey()), now));
    expect(error.code).toBe('EXPIRED');
    expect(error.message).toBe(
      `manifest of release 1.7.41-alpha has expired: expected a time before 2026-07-21T19:00:00Z, found ${now.toISOString()}`,
    );
    expect(error.hint).toContain('clock');
    expect(error.exit).toBe(3);
  });
});
