/**
 * Services around an update: a real binary of the release that is started by a
 * command, must replace the old process, and must be the new release's file.
 * What every run of the tests tries: `scenarios/updater-services`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { executable, makeServiceSite, RESTART } from '../harness/service-site.ts';

describe('a service', () => {
  it('is restarted with the switch, and runs the new file; back again with a rollback', async () => {
    const { node, shipServer, pid } = await makeServiceSite();
    await shipServer('1.0.0');
    expect((await node.updater(['apply'])).code).toBe(0);
    const first = pid();
    expect(executable(first)).toBe('1.0.0');
    await shipServer('1.1.0');
    const outcome = await node.updater(['apply']);
    expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
    expect(pid()).not.toBe(first);
    expect(executable(pid())).toBe('1.1.0');
    expect((await node.updater(['rollback', '--reason', 'x'])).code).toBe(0);
    expect(executable(pid())).toBe('1.0.0');
  });

  it.each([
    [
      'whose restart fails',
      [
        'echo this went wrong; case $(readlink $ROOT/current) in *1.1.0*) exit 7 ;; esac',
        ...RESTART,
      ],
      /ended with 7/,
    ],
    [
      'that runs another file',
      [
        ...RESTART.slice(0, 1),
        'case $(readlink $ROOT/current) in *1.1.0*) /usr/bin/sleep 600 >/dev/null 2>&1 & ;; *) $ROOT/current/server 600 >/dev/null 2>&1 & ;; esac',
        'echo $! > $PIDFILE',
      ],
      /process \d+ did not run 'server' of 1\.1\.0/,
    ],
    [
      'that ends as soon as it started',
      [...RESTART, 'case $(readlink $ROOT/current) in *1.1.0*) kill $(cat $PIDFILE) ;; esac'],
      /no process was there/,
    ],
    [
      'whose restart hangs',
      ['case $(readlink $ROOT/current) in *1.1.0*) exec sleep 600 ;; esac', ...RESTART],
      /was still running after 2000 ms/,
    ],
  ])('%s: the release is rolled back, and the old one runs again', async (_, script, words) => {
    const { node, shipServer, setScript, pid } = await makeServiceSite();
    await shipServer('1.0.0');
    await node.updater(['apply']);
    await shipServer('1.1.0');
    setScript(script);
    const outcome = await node.updater(['apply']);
    expect(outcome, outcome.stderr).toMatchObject({ code: 1 });
    expect(outcome.stdout).toContain("rolled back from 1.1.0 to 1.0.0: service 'server': ");
    expect(outcome.stdout).toMatch(words);
    expect(executable(pid())).toBe('1.0.0');
    expect(node.quarantined()).toStrictEqual(['1.1.0']);
    expect(node.stateName()).toBe('rolled-back');
  });

  it('that fails with both releases leaves the node degraded', async () => {
    const { node, shipServer, setScript } = await makeServiceSite();
    await shipServer('1.0.0');
    await node.updater(['apply']);
    await shipServer('1.1.0');
    setScript(['exit 9']);
    const outcome = await node.updater(['apply']);
    expect(outcome).toMatchObject({ code: 1 });
    expect(outcome.stdout).toContain('degraded: 1.0.0 runs and does not pass');
    expect(outcome.stdout).toContain('ended with 9');
    expect(node.stateName()).toBe('degraded');
  });

  it('leaves what it printed, and what the probes saw, in a log of the activation', async () => {
    const { node, shipServer, setScript } = await makeServiceSite();
    setScript(['echo hello from the script', ...RESTART]);
    await shipServer('1.0.0');
    await node.updater(['apply']);
    const [folder = ''] = readdirSync(join(node.state, 'logs'));
    const services = readFileSync(join(node.state, 'logs', folder, 'services.log'), 'utf8');
    expect(services).toContain('hello from the script');
    expect(services).toContain('server: up');
    const probe = readFileSync(join(node.state, 'logs', folder, 'probe.log'), 'utf8');
    expect(probe).toMatch(/1\.0\.0-[0-9a-f]{12} 3: healthy/);
  });
});
