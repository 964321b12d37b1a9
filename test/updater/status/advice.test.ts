/** What is advised where more than one thing could be said. */
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Deployment } from '../../../updater/facts.ts';
import type { Host } from '../../../updater/host.ts';
import { writeLastCheck } from '../../../updater/records/last-check-file.ts';
import type { Advice } from '../../../updater/status/advice.ts';
import { readStatus } from '../../../updater/status/view.ts';
import { makeHost } from '../../harness/host.ts';

const DAY_MS = 86_400_000;
const before = (days: number): string => new Date(Date.now() - days * DAY_MS).toISOString();
const release = (version: string): Deployment => ({
  id: `${version}-3f9c2a71b0de`,
  version,
  digest: version.replaceAll('.', '').padEnd(64, '0'),
  sequence: 1,
});

/** Back on 1.0.0 from 1.1.0. */
function rolledBack(): Host {
  const host = makeHost();
  const [deployment, failed] = [release('1.0.0'), release('1.1.0')];
  mkdirSync(join(host.paths.deployments, deployment.id), { recursive: true });
  symlinkSync(`deployments/${deployment.id}`, host.paths.current);
  host.store.lookAgain();
  const running = { deployment, since: before(30) };
  host.store.saveState({ name: 'rolled-back', running, failed, reason: 'status 500' });
  return host;
}

it.each<[string, number, Advice]>([
  [
    'as long as somebody asks the mirrors, the maintainer is told why',
    1,
    {
      what: 'tell the maintainer why; a newer release is taken by itself',
      command: 'updater history',
    },
  ],
  [
    'where nobody does, nothing is taken by itself',
    30,
    {
      what: 'nobody asked the mirrors for 30 d; see whether the timer is on, and ask',
      command: 'updater once',
    },
  ],
])('after a rollback: %s', (_, days, advice) => {
  const host = rolledBack();
  writeLastCheck(host.paths.lastCheck, { at: before(days), problems: [], mirrors: 1 });
  expect(readStatus(host).advice).toStrictEqual(advice);
});
