/** Releases that go out in steps: who takes them when, and what cannot be read. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { parseRolloutSteps } from '@landfall/manifest';
import { describe, expect, it } from 'vitest';
import { exitOfDecline } from '../../../updater/commands/words.ts';
import type { Decline, Offer, Wish } from '../../../updater/offer.ts';
import { judgeRollout, placeOf } from '../../../updater/policy/rollout.ts';
import { keepNodeId, readNodeId } from '../../../updater/records/node-id-file.ts';
import { makeHost, type TestHost } from '../../harness/host.ts';
import { exampleOffer } from '../../harness/offers.ts';

const RELEASE = { app: 'archipelago', channel: 'stable', digest: 'a'.repeat(64) };
const NOW = new Date('2026-05-01T12:00:00Z');
const step = (percent: number, at: string): object => ({ percent, at });

function offer(steps: readonly object[]): Offer {
  return exampleOffer((manifest) => (manifest.rollout.steps = steps.map((each) => ({ ...each }))));
}

/** A host that has an id, and the place that it has in `offer`. */
function placed(): { host: TestHost; place: number } {
  const host = makeHost();
  keepNodeId(host.paths.nodeId);
  const { deployment, verified } = offer([]);
  const { app, channel } = verified.manifest;
  const node = readNodeId(host.paths.nodeId);
  if (typeof node !== 'object') throw new Error('the node has no id');
  return { host, place: placeOf(node.id, { app, channel, digest: deployment.digest }) };
}

const judge = (host: TestHost, steps: readonly object[], wish: Wish = {}): Decline | undefined =>
  judgeRollout(host, offer(steps), wish, NOW);

describe('a place', () => {
  it('is what the format says: the first 48 bits of a hash, of 100', () => {
    const text = `0f\narchipelago\nstable\n${RELEASE.digest}`;
    const bits = createHash('sha256').update(text).digest('hex').slice(0, 12);
    expect(placeOf('0f', RELEASE)).toBeCloseTo((Number.parseInt(bits, 16) / 2 ** 48) * 100, 9);
  });

  it('is another one with each node, app, channel and content; and nothing else is in it', () => {
    const places = [
      placeOf('a', RELEASE),
      placeOf('b', RELEASE),
      placeOf('a', { ...RELEASE, app: 'atoll' }),
      placeOf('a', { ...RELEASE, channel: 'beta' }),
      placeOf('a', { ...RELEASE, digest: 'b'.repeat(64) }),
    ];
    expect(new Set(places).size).toBe(5);
    expect(placeOf('a', { ...RELEASE })).toBe(places[0]);
  });

  it('spreads a fleet evenly, and has other canaries with each release', () => {
    const nodes = Array.from({ length: 10_000 }, (_, index) => `node ${index}`);
    const canaries = (digest: string): Set<string> =>
      new Set(nodes.filter((node) => placeOf(node, { ...RELEASE, digest }) < 10));
    const [first, second] = [canaries('1'), canaries('2')];
    for (const { size } of [first, second]) {
      expect(size).toBeGreaterThan(900);
      expect(size).toBeLessThan(1100);
    }
    // One tenth of a tenth is in both.
    expect(first.intersection(second).size).toBeLessThan(150);
  });

  it('is kept with the id, which is made once and only its owner reads', () => {
    const { paths } = makeHost();
    expect(readNodeId(paths.nodeId)).toBeUndefined();
    keepNodeId(paths.nodeId);
    const text = readFileSync(paths.nodeId, 'utf8');
    expect(text).toMatch(/^[0-9a-f]{32}\n$/);
    keepNodeId(paths.nodeId);
    expect(readFileSync(paths.nodeId, 'utf8')).toBe(text);
    for (const bad of ['', 'x', `${text}${text}`, text.toUpperCase().replaceAll(/\d/g, 'A')]) {
      writeFileSync(paths.nodeId, bad);
      keepNodeId(paths.nodeId);
      expect([readNodeId(paths.nodeId), readFileSync(paths.nodeId, 'utf8')]).toEqual([
        'corrupt',
        bad,
      ]);
    }
  });
});

describe('a release in steps', () => {
  it('is taken by everybody at once without steps, also by a node that has no id', () => {
    expect(judge(makeHost(), [])).toBeUndefined();
  });

  it('is taken by those whose place is below the percent whose time has come', () => {
    const { host, place } = placed();
    const [low, high] = [place / 2, (place + 100) / 2];
    const [past, future] = ['2026-05-01T12:00:00Z', '2026-05-01T14:00:00Z'];
    expect(judge(host, [step(high, past)]), 'its time has come').toBeUndefined();
    expect(judge(host, [step(low, past), step(high, future)])).toMatchObject({
      code: 'waiting-rollout',
      until: '2026-05-01T14:00:00.000Z',
      reason: expect.stringContaining('in 2 h') as string,
      hint: "to take it now: 'updater apply 1.7.41-alpha'",
    });
    expect(judge(host, [step(place, past)]), 'its place is not below itself').toMatchObject({
      code: 'waiting-rollout',
      reason: expect.stringContaining('is the last step so far') as string,
    });
    expect(judge(host, [step(0, past)])?.until, 'nobody, for now').toBeUndefined();
    expect(judge(host, [step(low, '2026-01-01T00:00:00Z'), step(100, past)])).toBeUndefined();
  });

  it('does not wait for a clock that lies before the publication', () => {
    const { host } = placed();
    host.store.raiseFloor('releases/manifest.json', offer([]).verified, NOW.toISOString());
    const at = (steps: readonly object[]): Decline | undefined =>
      judgeRollout(host, offer(steps), {}, new Date('1970-01-01T00:00:00Z'));
    expect(at([step(100, '2026-04-22T19:00:00Z')]), 'when it was published').toBeUndefined();
    expect(at([step(100, '2026-04-22T20:00:00Z')])?.code).toBe('waiting-rollout');
  });

  it('is taken at once by an operator who names it, and instead of what was withdrawn', () => {
    const { host } = placed();
    const none = [step(0, '2026-01-01T00:00:00Z')];
    expect(judge(host, none, { version: '1.7.41-alpha', byHand: true })).toBeUndefined();
    const asked = judge(host, none, { byHand: true });
    expect(asked?.code, 'without a name it is what is due').toBe('waiting-rollout');
    expect([exitOfDecline({ code: 'waiting-rollout' }, true)]).toEqual([3]);
    expect([exitOfDecline({ code: 'waiting-rollout' })]).toEqual([0]);
    const deployment = { id: '1.7.39-alpha-0123456789ab', version: '1.7.39-alpha', sequence: 1 };
    const running = { deployment: { ...deployment, digest: '0'.repeat(64) }, since: '2026-01-01' };
    host.store.saveState({ name: 'committed', running });
    expect(judge(host, none)).toBeUndefined();
  });

  it('waits for a node to have a place: nothing is made for a look', () => {
    const host = makeHost();
    expect(judge(host, [step(100, '2026-01-01T00:00:00Z')])).toMatchObject({
      code: 'waiting-rollout',
      reason: expect.stringContaining('first check') as string,
    });
    writeFileSync(host.paths.nodeId, 'x');
    expect(judge(host, [step(100, '2026-01-01T00:00:00Z')])).toMatchObject({
      code: 'rollout-unreadable',
      hint: expect.stringContaining('remove it') as string,
    });
  });

  it.each<[string, readonly object[], string]>([
    ['a percent that is none', [step(Number.NaN, '2026-01-01T00:00:00Z')], 'percent'],
    ['a percent above 100', [step(101, '2026-01-01T00:00:00Z')], 'percent'],
    ['a percent below 0', [step(-1, '2026-01-01T00:00:00Z')], 'percent'],
    ['a percent in words', [{ percent: '100', at: '2026-01-01T00:00:00Z' }], 'percent'],
    ['a time without a zone', [step(100, '2026-01-01T00:00:00')], 'UTC'],
    ['no time', [{ percent: 100 }], 'UTC'],
    ['no step', [{}], 'percent'],
    [
      'a condition of the future',
      [{ ...step(100, '2026-01-01T00:00:00Z'), region: 'eu' }],
      'region',
    ],
    [
      'falling percents',
      [step(50, '2026-01-01T00:00:00Z'), step(10, '2026-01-02T00:00:00Z')],
      'more than 50',
    ],
    [
      'a time twice',
      [step(10, '2026-01-01T00:00:00Z'), step(50, '2026-01-01T00:00:00Z')],
      'a time after',
    ],
  ])('with %s is not installed, and it is said', (_, steps, words) => {
    const { host } = placed();
    const decline = judge(host, steps);
    expect(decline).toMatchObject({
      code: 'rollout-unreadable',
      reason: expect.stringContaining(words) as string,
    });
    expect(exitOfDecline({ code: 'rollout-unreadable' })).toBe(3);
    expect(() => parseRolloutSteps(steps)).toThrow('cannot be read');
  });

  it('is not read beyond a hundred steps', () => {
    const many = Array.from({ length: 101 }, (_, index) =>
      step(index / 2, new Date(Date.UTC(2026, 0, index + 1)).toISOString().replace('.000', '')),
    );
    expect(parseRolloutSteps(many.slice(1))).toHaveLength(100);
    expect(judge(placed().host, many)?.code).toBe('rollout-unreadable');
  });
});
