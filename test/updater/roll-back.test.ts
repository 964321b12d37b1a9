/** Where a rollback by hand would go, by what is known of what is on the disk. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { switchCurrent } from '../../updater/effects/switch.ts';
import type { Deployment } from '../../updater/facts.ts';
import { pickTarget } from '../../updater/roll-back.ts';
import { makeHost, type TestHost } from '../harness/host.ts';

const AT = '2026-04-22T19:00:00.000Z';
const WISH = { reason: 'blank', liftQuarantine: false };

/** A host on which 1.1.0 runs and 1.2.0 was staged; whether 1.1.0 passed is known, or nothing is. */
function makeNode(isKnown: boolean): TestHost {
  const host = makeHost();
  const [deployment, staged] = ['1.1.0', '1.2.0'].map((version): Deployment => {
    const id = `${version}-0123456789ab`;
    mkdirSync(join(host.paths.deployments, id), { recursive: true });
    return { id, version, digest: version.replaceAll('.', '').padStart(64, '0'), sequence: 1 };
  }) as [Deployment, Deployment];
  switchCurrent(host.paths, deployment);
  host.store.recordStaged(staged, AT);
  const proof = { rank: 'healthy', reason: 'x', at: AT, accepted: 'healthy' } as const;
  const running = { deployment, since: AT, ...(isKnown ? { proof } : {}) };
  host.store.saveState({ name: isKnown ? 'committed' : 'idle', running });
  return host;
}

it.each([
  [true, 'kept on this node: 1.2.0'],
  [
    false,
    "kept on this node: 1.2.0; 'updater rollback --to 1.2.0 --reason …' goes to that one all the same",
  ],
])('what never passed here is named only where nothing else is known: %s', (isKnown, hint) => {
  expect(pickTarget(makeNode(isKnown), WISH)).toStrictEqual({
    code: 'no-target',
    reason:
      'there is nothing to roll back to: no other release on the disk is known to have passed here',
    hint,
  });
});
