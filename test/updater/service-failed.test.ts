/** What a service that gave up does to a release: nothing any more once it was committed. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeDeployment } from '../../updater/deployments.ts';
import { switchCurrent } from '../../updater/effects/switch.ts';
import type { Deployment, Running } from '../../updater/facts.ts';
import type { Host } from '../../updater/host.ts';
import type { Settled } from '../../updater/machine.ts';
import { serviceFailed } from '../../updater/service-failed.ts';
import { makeHost, type TestHost } from '../harness/host.ts';
import { temporaryFolder } from '../harness/temporary.ts';
import { WebServer } from '../harness/web-server.ts';

const AT = '2026-04-22T19:00:00.000Z';
const UNTIL = '2999-04-22T19:00:00.000Z';

/** A node that runs 1.1.0, after 1.0.0, behind a web server. */
async function makeSite(): Promise<{ open: () => TestHost; running: Running }> {
  const folder = temporaryFolder();
  const { url } = await WebServer.start(join(folder, 'root'));
  const toml = `[probe]\nurl = "${url}"\nwindow = "2s"\ninterval = "10ms"`;
  const open = (): TestHost => makeHost({ folder, toml });
  const host = open();
  const [previous, deployment] = [deploy(host, '1.0.0'), deploy(host, '1.1.0')];
  switchCurrent(host.paths, deployment);
  return { open, running: { deployment, since: AT, previous } };
}

function deploy({ paths, store }: Host, version: string): Deployment {
  const folder = join(paths.deployments, `${version}-0123456789ab`, 'web-ui');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'index.html'), version);
  const deployment = describeDeployment(paths, `${version}-0123456789ab`);
  store.recordStaged(deployment, AT);
  return deployment;
}

describe('a service that gave up', () => {
  it.each(['committed', 'idle'] as const)(
    'in state %s is written down, and that is all',
    async (name) => {
      const { open, running } = await makeSite();
      const state: Settled = { name, running };
      open().store.saveState(state);
      const host = open();
      expect(await serviceFailed(host, 'server', 'start limit hit')).toStrictEqual({
        state: host.store.state,
        left: undefined,
      });
      expect(open().store.state).toStrictEqual(state);
      expect(host.journal.read()).toMatchObject([
        { event: 'service-failed', service: 'server', reason: 'start limit hit', next: name },
      ]);
      expect(host.store.quarantine.entries).toStrictEqual([]);
    },
  );

  it('in probation leaves the release', async () => {
    const { open, running } = await makeSite();
    open().store.saveState({ name: 'probation', running, until: UNTIL });
    const host = open();
    const { state, left } = await serviceFailed(host, 'server', 'start limit hit');
    expect(left).toStrictEqual(running.deployment);
    expect(state).toMatchObject({
      name: 'rolled-back',
      running: { deployment: running.previous },
      reason: "service 'server' gave up: start limit hit",
    });
    expect(host.store.quarantine.entries).toMatchObject([{ version: '1.1.0' }]);
  });

  it.each([
    ['restarted', 'rolled-back', '1.0.0'],
    ['prepared', 'probation', '1.1.0'],
    ['rolling-back', 'rolled-back', '1.0.0'],
  ] as const)('with a marker in phase %s ends in %s on %s', async (phase, name, version) => {
    const { open, running } = await makeSite();
    const { deployment: to, previous: from } = running;
    const rest: Settled = { name: 'committed', running: { deployment: from ?? to, since: AT } };
    open().store.saveState(rest);
    const facts = { from, to, phase, attempt: 1, reason: 'status 500', blame: 'release' } as const;
    open().store.writeMarker(facts, 2000);
    const host = open();
    const { state } = await serviceFailed(host, 'server', 'start limit hit');
    expect(state).toMatchObject({ name, running: { deployment: { version } } });
    expect(host.journal.read()[0]).toMatchObject({ event: 'service-failed', service: 'server' });
    expect(open().store.marker).toBeUndefined();
  });
});
