/** Whether a node takes what is offered: one row per reason, and which reason comes first. */
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { hostPlatform, type Manifest, serializeManifest } from '@landfall/manifest';
import type { VerifiedManifest } from '@landfall/trust';
import { describe, expect, it } from 'vitest';
import type { Deployment } from '../../updater/facts.ts';
import {
  judgeFreshness,
  judgeOffer,
  selectOffer,
  type Decline,
  type Offer,
  type Wish,
} from '../../updater/offer.ts';
import { makeHost, type TestHost } from '../harness/host.ts';
import { exampleManifest } from '../harness/manifests.ts';

const AT = '2026-04-22T19:00:00.000Z';
const NOW = new Date('2026-05-01T00:00:00Z');

function verify(change: (manifest: Manifest) => void = () => {}, sha256 = 'a'): VerifiedManifest {
  const manifest = exampleManifest();
  for (const component of manifest.components) {
    for (const artifact of component.artifacts) {
      if (artifact.platform !== 'any') artifact.platform = hostPlatform();
    }
  }
  change(manifest);
  return { manifest, bytes: serializeManifest(manifest), sha256: sha256.repeat(64), signers: [] };
}

function offerOf(verified: VerifiedManifest): Offer {
  const offer = selectOffer(verified, []);
  if ('code' in offer) throw new Error(offer.reason);
  return offer;
}

/** A host that runs `version`, committed. */
function running(version: string): TestHost {
  const host = makeHost();
  const deployment: Deployment = {
    id: `${version}-0123456789ab`,
    version,
    digest: version.replaceAll(/\D/g, '').padEnd(64, '0'),
    sequence: 1,
  };
  mkdirSync(join(host.paths.deployments, deployment.id), { recursive: true });
  symlinkSync(`deployments/${deployment.id}`, host.paths.current);
  host.store.saveState({ name: 'committed', running: { deployment, since: AT } });
  return host;
}

function judge(host: TestHost, verified = verify(), wish: Wish = {}): Decline | undefined {
  return judgeOffer(host.store, offerOf(verified), wish);
}

describe('freshness', () => {
  it('is of what is at the floor or above, and has not expired', () => {
    const { config, store } = makeHost();
    const fresh = (verified: VerifiedManifest, now = NOW): string | undefined =>
      judgeFreshness(config, store, verified, now)?.code;
    expect(fresh(verify())).toBeUndefined();
    store.raiseFloor('releases/manifest.json', verify(), AT);
    expect(fresh(verify())).toBeUndefined();
    expect(fresh(verify((m) => (m.sequence = 42)))).toBeUndefined();
    expect(fresh(verify(undefined, 'b'))).toBe('equivocation');
    expect(fresh(verify((m) => Object.assign(m, { sequence: 40, previous: null })))).toBe(
      'below-floor',
    );
    expect(fresh(verify(), new Date('2026-07-21T19:00:00Z'))).toBe('expired');
  });

  it('has a floor of its own for each index file', () => {
    const { config, store } = makeHost();
    store.raiseFloor(
      'releases/beta/manifest.json',
      verify((m) => (m.sequence = 900)),
      AT,
    );
    expect(judgeFreshness(config, store, verify(), NOW)).toBeUndefined();
  });
});

describe('an offer', () => {
  it('is taken by a fresh node, and by one that it may follow', () => {
    expect(judge(makeHost())).toBeUndefined();
    expect(judge(running('1.7.40'))).toBeUndefined();
  });

  it('of a release without anything for this platform is declined', () => {
    const other = verify((m) =>
      m.components[1]?.artifacts.forEach((a) => (a.platform = 'plan9-vax')),
    );
    expect(selectOffer(other, [])).toMatchObject({
      code: 'platform',
      reason: expect.stringContaining('archipelago') as string,
    });
  });

  it.each<[string, TestHostMaker, (manifest: Manifest) => void, Wish, Decline['code'] | undefined]>(
    [
      [
        'another version was asked for',
        () => running('1.7.40'),
        () => {},
        { version: '1.7.39' },
        'not-newest',
      ],
      [
        'what runs was asked for, and is not the newest',
        () => running('1.7.40'),
        () => {},
        { version: '1.7.40' },
        'runs-already',
      ],
      [
        'this version was asked for',
        () => running('1.7.40'),
        () => {},
        { version: '1.7.41-alpha' },
        undefined,
      ],
      [
        'it was withdrawn',
        () => running('1.7.40'),
        (m) => m.withdrawn.push('1.7.41-alpha'),
        {},
        'withdrawn',
      ],
      [
        'withdrawn, and asked for',
        () => running('1.7.40'),
        (m) => m.withdrawn.push('1.7.41-alpha'),
        { version: '1.7.41-alpha' },
        'withdrawn',
      ],
      [
        'it needs a newer updater',
        () => running('1.7.40'),
        (m) => (m.requires.updater = '>=99'),
        {},
        'updater-too-old',
      ],
      [
        'it needs something that is no range',
        () => running('1.7.40'),
        (m) => (m.requires.updater = 'soon'),
        {},
        'updater-too-old',
      ],
      ['it cannot follow what runs', () => running('1.7.29'), () => {}, {}, 'from-not-met'],
      ['nothing runs that it would have to follow', makeHost, () => {}, {}, undefined],
      ['it is older than what runs', () => running('1.8.0'), () => {}, {}, 'older'],
      [
        'older, and asked for',
        () => running('1.8.0'),
        () => {},
        { version: '1.7.41-alpha' },
        undefined,
      ],
      [
        'older, and what runs was withdrawn',
        () => running('1.8.0'),
        (m) => m.withdrawn.push('1.8.0'),
        {},
        undefined,
      ],
    ],
  )('%s', (_, make, change, wish, code) => {
    expect(judge(make(), verify(change), wish)?.code).toBe(code);
  });

  it('that failed here is declined, until it is lifted for this once', () => {
    const host = running('1.7.40');
    const { deployment } = offerOf(verify());
    host.store.quarantineRelease({ deployment, reason: 'status 500' }, AT);
    expect(judge(host)).toMatchObject({
      code: 'quarantined',
      reason: expect.stringContaining('status 500') as string,
      hint: expect.stringContaining('--lift-quarantine') as string,
    });
    expect(
      judge(
        host,
        verify((m) => (m.sequence = 99)),
      )?.code,
    ).toBe('quarantined');
    expect(judge(host, verify(), { version: '1.7.41-alpha' })?.code).toBe('quarantined');
    const lifted: Wish = { version: '1.7.41-alpha', liftQuarantine: true };
    expect(judge(host, verify(), lifted)).toBeUndefined();
    const changed = verify((m) => {
      const [ui] = m.components;
      if (ui?.kind === 'tree') ui.artifacts.forEach((a) => (a.tree.digest = 'd'.repeat(64)));
    });
    expect(judge(host, changed), 'new bytes are another release').toBeUndefined();
  });

  it('waits for a probation to be over, unless it is asked for', () => {
    const host = running('1.7.40');
    const { state } = host.store;
    if (state.running === undefined) throw new Error('nothing runs');
    host.store.saveState({ name: 'probation', running: state.running, until: AT });
    expect(judge(host)?.code).toBe('in-probation');
    expect(judge(host, verify(), { version: '1.7.41-alpha' })).toBeUndefined();
    const withdrawing = verify((m) => m.withdrawn.push('1.7.40'));
    expect(judge(host, withdrawing), 'what runs was withdrawn').toBeUndefined();
  });
});

type TestHostMaker = () => TestHost;
