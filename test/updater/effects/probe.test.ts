/** The verdict over time: passes in a row, the window, the baseline, being told to stop. */
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { probeBaseline, probeDeployment } from '../../../updater/effects/probe.ts';
import type { Deployment } from '../../../updater/facts.ts';
import { errorOf } from '../../harness/errors.ts';
import { makeHost, type TestHost } from '../../harness/host.ts';
import { exampleWebUi, writeFiles } from '../../harness/release-factory.ts';
import { temporaryFolder } from '../../harness/temporary.ts';
import { WebServer } from '../../harness/web-server.ts';

const DEPLOYMENT: Deployment = {
  id: '1.0.0-0123456789ab',
  version: '1.0.0',
  digest: 'a'.repeat(64),
  sequence: 1,
};

async function makeSite(
  probe = '',
  interval = '20ms',
): Promise<{ host: TestHost; web: WebServer }> {
  const folder = temporaryFolder();
  const root = join(folder, 'root');
  mkdirSync(root);
  const web = await WebServer.start(root);
  writeFiles(join(root, 'deployments', DEPLOYMENT.id, 'web-ui'), exampleWebUi('1.0.0'));
  symlinkSync(`deployments/${DEPLOYMENT.id}`, join(root, 'current'));
  const toml = `[probe]\nurl = "${web.url}"\ninterval = "${interval}"\ntimeout = "5s"\nassets = 0\n${probe}`;
  return { host: makeHost({ folder, toml }), web };
}

/** Answers according to a list, one look after the other; after its end it fails. */
function script(web: WebServer, looks: string): void {
  let at = 0;
  web.fault = () => {
    const look = looks[at++] ?? 'x';
    return look === '.' ? undefined : { status: look === 'x' ? 500 : 404 };
  };
}

describe('the verdict', () => {
  it('needs as many passes in a row as configured, and takes no longer', async () => {
    const { host, web } = await makeSite('passes = 4');
    const outcome = await probeDeployment(host, DEPLOYMENT, 5000);
    expect(outcome).toStrictEqual({
      rank: 'healthy',
      reason: "page and 0 assets are this release's, 4 times in a row",
    });
    expect(web.requests).toHaveLength(4);
  });

  it('begins a row anew with every failure', async () => {
    const { host, web } = await makeSite('passes = 3');
    script(web, 'x..x..x...');
    expect((await probeDeployment(host, DEPLOYMENT, 5000)).rank).toBe('healthy');
    expect(web.requests).toHaveLength(10);
  });

  it('is the last failure when the window is over, with how often it passed', async () => {
    const { host, web } = await makeSite('passes = 3');
    script(web, '.x.xy');
    const outcome = await probeDeployment(host, DEPLOYMENT, 1500);
    expect(outcome.rank).toBe('error');
    expect(outcome.reason).toMatch(/found 500 \(2 of \d+ passed\)$/);
  });

  it('does not cut a row off that has begun', async () => {
    const { host, web } = await makeSite('passes = 10', '150ms');
    script(web, `x${'.'.repeat(10)}`);
    expect((await probeDeployment(host, DEPLOYMENT, 1200)).rank).toBe('healthy');
    expect(web.requests).toHaveLength(11);
  });

  it('with no window left looks once, and goes on only as long as it passes', async () => {
    const { host, web } = await makeSite('passes = 3');
    script(web, '..x');
    expect((await probeDeployment(host, DEPLOYMENT, 0)).rank).toBe('error');
    expect(web.requests).toHaveLength(3);
  });

  it('is not healthy when current leads elsewhere, whatever is answered', async () => {
    const { host } = await makeSite();
    const outcome = await probeDeployment(host, { ...DEPLOYMENT, id: '2.0.0-0123456789ab' }, 0);
    expect(outcome).toMatchObject({
      rank: 'wrong',
      reason: expect.stringContaining("'current' does not lead to") as string,
    });
  });

  it('stops when told to', async () => {
    const { host, web } = await makeSite();
    web.fault = () => ({ status: 500 });
    setTimeout(() => host.stop(), 100);
    const error = await errorOf(() => probeDeployment(host, DEPLOYMENT, 60_000));
    expect(error).toMatchObject({ code: 'INTERRUPTED', exit: 1 });
  });

  it('asks for the version where pages are rendered at run time', async () => {
    const { host, web } = await makeSite('passes = 1');
    const config = { ...host.config.probe, version_url: `${web.url}version` };
    const versioned = { ...host, config: { ...host.config, probe: config } };
    web.fault = ({ path }) => ({
      status: path === '/version' ? 200 : 500,
      body: '{"version":"1.0.0"}',
    });
    expect(await probeDeployment(versioned, DEPLOYMENT, 0)).toMatchObject({ rank: 'healthy' });
    const other = { ...DEPLOYMENT, version: '1.1.0' };
    expect(await probeDeployment(versioned, other, 0)).toMatchObject({ rank: 'wrong' });
  });
});

describe('the baseline', () => {
  it.each([
    ['...', 'healthy', 1],
    ['x.', 'healthy', 2],
    ['xxx', 'error', 3],
  ])(
    'of %s is %s after %i looks: a moment of failure excuses no release',
    async (looks, rank, count) => {
      const { host, web } = await makeSite('passes = 3');
      script(web, looks);
      expect((await probeBaseline(host, DEPLOYMENT)).rank).toBe(rank);
      expect(web.requests).toHaveLength(count);
    },
  );
});
